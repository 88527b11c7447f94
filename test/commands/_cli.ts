/** The command line in this process: its own streams, so that a test says whether they are a terminal and how wide it is. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { main } from '../../src/cli.js';
import { until } from '../support/cluster.js';
import type { Fleet } from '../support/fleet.js';
import { tempFolder } from '../support/metronome.js';

export interface Called {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output, parsed. */
  json<T = Record<string, unknown>>(): T;
}

export interface CallOptions {
  /** Columns of a terminal; absent: a pipe. */
  readonly terminal?: number;
  readonly rows?: number;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  /** Schedule files; those of the fleet when absent. */
  readonly files?: readonly string[];
  /** Gets standard output as it is written. */
  onOut?(text: string): void;
}

export type Operator = (args: readonly string[], options?: CallOptions) => Promise<Called>;

/** Commands as alice gives them on the first node of the fleet. */
export function operator(t: ExecutionContext, fleet: Fleet): Operator {
  const { address, config } = fleet.nodes[0] as Fleet['nodes'][number];
  const stateDir = tempFolder(t);
  return async (args, options = {}) => {
    let out = '';
    let err = '';
    const code = await main({
      argv: [
        ...args,
        '--host',
        address.host,
        '--port',
        String(address.port),
        '--prefix',
        fleet.prefix,
        '--state-dir',
        stateDir,
        '--files',
        (options.files ?? config.files).join(','),
      ],
      env: { SUDO_USER: 'alice', NO_COLOR: '1', ...options.env },
      signal: options.signal ?? new AbortController().signal,
      io: {
        out(text) {
          out += text;
          options.onOut?.(text);
        },
        err: (text) => void (err += text),
        terminal: options.terminal !== undefined,
        columns: options.terminal ?? 80,
        rows: options.rows ?? 24,
        stdin: async () => '',
      },
    });
    return { code, out, err, json: <T>() => JSON.parse(out) as T };
  };
}

/** Ticks on all nodes until the test is over: as timers do. */
export function drive(t: ExecutionContext, fleet: Fleet): () => Promise<void> {
  let over = false;
  const ticking = fleet.nodes.map(async (node) => {
    while (!over) {
      await node.tick();
      await sleep(30);
    }
  });
  const stop = async () => {
    over = true;
    await Promise.all(ticking);
  };
  t.teardown(stop);
  return stop;
}

/** The result of an event once it has ended. */
export async function result(fleet: Fleet, id: string): Promise<Record<string, unknown>> {
  return until(
    async () => {
      const entry = await fleet.api.kvGet(`${fleet.prefix}results/${id}`);
      const value = entry === null ? undefined : (JSON.parse(entry.value) as Record<string, unknown>);
      return value?.FinishedAt === undefined ? undefined : value;
    },
    `event ${id} to end`,
    60_000,
  );
}

/** The widest line, in characters. */
export function widest(text: string): number {
  return Math.max(...text.split('\n').map((line) => [...line].length));
}
