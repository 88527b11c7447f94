import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, PermissionError, UnreachableError } from '../src/errors.js';
import { looksNow } from '../src/run/looks.js';
import { tryTurn } from '../src/local/lock.js';
import type { Context } from './context.js';
import { fireDue } from './cron.js';
import { dispatch, type DispatchOutcome } from './dispatch.js';
import { takeEvents } from './events.js';
import { gcDaily } from './gc.js';
import { execute, type ExecuteOutcome } from './execute.js';
import { pushSpooled, type PushOutcome } from './push.js';

export interface TickOptions {
  /** Takes the user events that the Consul agent has in memory too: for nodes without an event watch. */
  readonly events?: boolean;
}

export interface AroundOutcome {
  /** Absent when another tick of this node is at it. */
  readonly pushed?: PushOutcome;
  /** Ids of events whose `schedules` entry was due. */
  readonly fired?: readonly string[];
  readonly dispatched?: DispatchOutcome;
}

export interface TickOutcome extends AroundOutcome {
  readonly executed: ExecuteOutcome;
}

/**
 * What a timer calls, and the safety net under everything else: spooled pushes, due `schedules` entries,
 * dispatch, execute. A fault in one of them does not keep it from the others: the first is thrown at the end.
 */
export async function tick(context: Context, options: TickOptions = {}): Promise<TickOutcome> {
  const faults: unknown[] = [];
  const done = await lookAround(context, faults, options);
  const executed = await attempt(context, faults, () => execute(context, { publish: true }));
  if (executed === undefined || faults.length > 0) throw faults[0];
  return { ...done, executed };
}

/** A tick without its execute, for a driver that knows by itself when there is work: never waits for a task. */
export async function around(context: Context, options: TickOptions = {}): Promise<AroundOutcome> {
  const faults: unknown[] = [];
  const done = await lookAround(context, faults, options);
  if (faults.length > 0) throw faults[0];
  return done;
}

async function attempt<T>(
  context: Context,
  faults: unknown[],
  part: () => Promise<T>,
): Promise<T | undefined> {
  // Without Consul the rest would only wait for it again.
  if (faults.some((fault) => fault instanceof UnreachableError)) return undefined;
  try {
    return await part();
  } catch (error) {
    if (faults.length > 0) context.log.error(messageOf(error));
    faults.push(error);
    return undefined;
  }
}

async function lookAround(
  context: Context,
  faults: unknown[],
  options: TickOptions = {},
): Promise<AroundOutcome> {
  const turn = await attempt(context, faults, () => tryTurn(context.config.stateDir, 'tick'));
  if (turn?.kind !== 'mine') return {};
  try {
    const pushed = await attempt(context, faults, () => pushSpooled(context));
    if (options.events) await attempt(context, faults, () => announced(context));
    const fired = await attempt(context, faults, () => unlessDenied(context, 'cron', () => fireDue(context)));
    const dispatched = await attempt(context, faults, () => fullLook(context));
    await attempt(context, faults, () => unlessDenied(context, 'gc', () => gcDaily(context)));
    return {
      ...(pushed === undefined ? {} : { pushed }),
      ...(fired === undefined ? {} : { fired }),
      ...(dispatched === undefined ? {} : { dispatched }),
    };
  } finally {
    await turn.held.release();
  }
}

/** As `metronome push` does, what was not taken is said. */
async function announced(context: Context): Promise<void> {
  const outcome = await takeEvents(context);
  for (const fault of outcome?.faults ?? []) context.log.warn(fault);
}

/** What a node's token does not allow is the business of nodes whose token does (deploy/consul). */
async function unlessDenied<T>(
  context: Context,
  what: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PermissionError)) throw error;
    context.log.debug(`${what} is left to other nodes: ${error.message}`);
    return undefined;
  }
}

/**
 * A full look, unless the last one saw a very wide step: then only some of the nodes look each time (a look
 * reads every outcome, and every node ticks). How wide it was is remembered beside the lock, as a hint.
 */
async function fullLook(context: Context): Promise<DispatchOutcome | undefined> {
  const hint = join(context.config.stateDir, 'widest');
  if (!looksNow(readHint(hint), context.random())) return undefined;
  const outcome = await dispatch(context);
  if (outcome.widest !== readHint(hint)) writeFileSync(hint, `${outcome.widest}`);
  return outcome;
}

function readHint(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
