import type { Config } from '../src/config.js';
import type { Logger } from '../src/log.js';
import type { Stamp } from '../src/run/types.js';
import type { Problem, Schedule } from '../src/schedule/types.js';
import type { Client } from '../src/store/client.js';
import { agentName } from '../src/store/catalog.js';
import { type Files, filesOf } from './files.js';

/** The node's schedule files: what could be read, and what is wrong with the rest. */
export interface ScheduleSet {
  readonly schedules: readonly Schedule[];
  /** Errors only. With one here nobody can say what an event consists of, so nothing is planned. */
  readonly problems: readonly Problem[];
}

/** Everything that a handler gets; it keeps nothing between two calls. */
export interface Context {
  readonly config: Config;
  readonly client: Client;
  readonly log: Logger;
  /** ms since 1970. */
  now(): number;
  /** ms from any point; never steps. */
  monotonic(): number;
  /** 0 to 1. */
  random(): number;
  /** This node's name: the configuration's, or its Consul agent's own. */
  node(): Promise<string>;
  schedules(): Promise<ScheduleSet>;
  /** The hashes of the schedule files that `schedules` reads, without reading more than their bytes. */
  files(): Files;
  /** Aborted when the handler is told to stop. */
  readonly signal: AbortSignal;
}

export async function stampNow(context: Context): Promise<Stamp> {
  return { at: context.now(), by: await context.node() };
}

/** A context over a client; node name and schedule files are looked up when first needed, once. */
export function createContext(parts: {
  config: Config;
  client: Client;
  log: Logger;
  signal: AbortSignal;
  now?: () => number;
  monotonic?: () => number;
  random?: () => number;
}): Context {
  let node: Promise<string> | undefined;
  let schedules: Promise<ScheduleSet> | undefined;
  return {
    ...parts,
    now: parts.now ?? Date.now,
    random: parts.random ?? Math.random,
    monotonic: parts.monotonic ?? (() => performance.now()),
    node() {
      node ??= parts.config.node === undefined ? agentName(parts.client) : Promise.resolve(parts.config.node);
      // A failed look-up must not be remembered: Consul may be back for the next call.
      node.catch(() => (node = undefined));
      return node;
    },
    schedules() {
      schedules ??= readSchedules(parts.config);
      return schedules;
    },
    files: () => filesOf(parts.config.files),
  };
}

/** Reads the files of the configuration. Imported late: a handler with nothing to do never needs a parser. */
export async function readSchedules(config: Config): Promise<ScheduleSet> {
  const { loadSchedules } = await import('../src/schedule/load.js');
  const { schedules, problems } = await loadSchedules(config.files);
  return { schedules, problems: problems.filter((problem) => problem.severity === 'error') };
}
