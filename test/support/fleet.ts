/** Several nodes with metronome on the shared cluster, driven in this process by the handlers themselves. */
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { createContext, type Context } from '../../handlers/context.js';
import { dispatch, type DispatchOutcome } from '../../handlers/dispatch.js';
import { execute, type ExecuteOutcome } from '../../handlers/execute.js';
import { push, type PushOutcome } from '../../handlers/push.js';
import { tick } from '../../handlers/tick.js';
import type { Config } from '../../src/config.js';
import { silent } from '../../src/log.js';
import { type Client, openClient } from '../../src/store/client.js';
import { type EventResults, readResults } from '../../src/store/history.js';
import type { Settings } from './agent.js';
import { type Address, consulApi, type ConsulApi } from './api.js';
import { deregister, freshPrefix, registerService, sharedCluster, until } from './cluster.js';
import { testConfig } from './config.js';
import { tempFolder } from './metronome.js';

export interface FleetNode {
  readonly name: string;
  readonly address: Address;
  readonly config: Config;
  readonly client: Client;
  /** A context of its own for each call, as each process has. */
  context(over?: Partial<{ now: () => number; signal: AbortSignal }>): Context;
  push(events: readonly object[]): Promise<PushOutcome>;
  dispatch(quick?: boolean): Promise<DispatchOutcome>;
  execute(): Promise<ExecuteOutcome>;
  tick(): Promise<void>;
}

export interface Entry {
  readonly event: string;
  readonly id: string;
  readonly step: number;
  readonly task: string;
  readonly node: string;
  readonly what: string;
}

export interface Fleet {
  readonly prefix: string;
  readonly dir: string;
  readonly nodes: readonly FleetNode[];
  readonly api: ConsulApi;
  node(name: string): FleetNode;
  /** Registers a service for as long as the test runs; waits until the catalog has it. */
  serve(node: string, service: string, tags?: readonly string[], check?: Settings): Promise<string>;
  /** What tasks wrote with `note WORD`, in order. */
  ledger(): Entry[];
  /** `node task` of each `start`, in order. */
  starts(): string[];
  /** Pushes one event by one node; returns its id. */
  fire(event: string, more?: { id?: string; by?: string; payload?: string }): Promise<string>;
  /** Ticks on all nodes until the event has ended. */
  ended(id: string, limit?: number): Promise<EventResults & { event: NonNullable<EventResults['event']> }>;
  /** Keys outside results/, the nodes' .keep and schedules/: must be none when all runs are over. */
  left(): Promise<string[]>;
}

/** In scripts: `note start` writes a line to the ledger. */
const NOTE =
  'note() { echo "$METRONOME_EVENT $METRONOME_EVENT_ID $METRONOME_STEP $METRONOME_TASK $METRONOME_NODE $1" >> "$LEDGER"; }\n';

export interface FleetOptions {
  readonly nodes?: readonly string[];
  /** Pattern -> text of its task.yml; `NOTE` at the head of a script becomes the shell function `note`. */
  readonly files: Readonly<Record<string, string>>;
  readonly config?: (node: string) => Partial<Config>;
}

export function fleet(t: ExecutionContext, options: FleetOptions): Fleet {
  const cluster = sharedCluster();
  const names = options.nodes ?? ['n1', 'n2', 'n3'];
  const dir = tempFolder(t);
  const prefix = freshPrefix(t);
  const ledger = join(dir, 'ledger');
  const files = Object.entries(options.files).map(([pattern, text]) => {
    const path = join(dir, pattern, 'task.yml');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text.replaceAll('NOTE', `LEDGER=${ledger}; ${NOTE.trim()}`));
    return path;
  });
  const nodes = names.map((name) =>
    fleetNode(t, cluster.node(name), prefix, join(dir, 'state', name), files, options),
  );
  const api = consulApi(cluster.node(names[0] as string));
  const node = (name: string) => {
    const found = nodes.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no node ${name} in this fleet`);
    return found;
  };
  const read = (): Entry[] =>
    !existsSync(ledger)
      ? []
      : readFileSync(ledger, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => {
            const [event = '', id = '', step = '', task = '', at = '', what = ''] = line.split(' ');
            return { event, id, step: Number(step), task, node: at, what };
          });
  return {
    prefix,
    dir,
    nodes,
    api,
    node,
    async serve(at, service, tags = [], check) {
      const id = await registerService(node(at).address, {
        name: service,
        tags: [...tags],
        ...(check === undefined ? {} : { check }),
      });
      t.teardown(() => deregister(node(at).address, id));
      return id;
    },
    ledger: read,
    starts: () =>
      read()
        .filter((entry) => entry.what === 'start')
        .map((entry) => `${entry.node} ${entry.task}`),
    async fire(event, more = {}) {
      const id = more.id ?? randomUUID();
      const payload = more.payload === undefined ? null : Buffer.from(more.payload).toString('base64');
      const outcome = await node(more.by ?? (names[0] as string)).push([
        { ID: id, Name: event, Payload: payload, LTime: 1 },
      ]);
      if (!outcome.queued.includes(id)) throw new Error(`not queued: ${JSON.stringify(outcome)}`);
      return id;
    },
    async ended(id, limit = 60_000) {
      const client = (nodes[0] as FleetNode).client;
      // Each node ticks on its own: one that is at work does not keep the others from looking.
      let over = false;
      const ticking = nodes.map(async (one) => {
        while (!over) {
          await one.tick();
          await sleep(120);
        }
      });
      const finished = async () => {
        const entry = await api.kvGet(`${prefix}results/${id}`);
        return (
          entry !== null && (JSON.parse(entry.value) as { FinishedAt?: string }).FinishedAt !== undefined
        );
      };
      try {
        await until(finished, `event ${id} to end`, limit);
      } finally {
        over = true;
        await Promise.all(ticking);
      }
      const results = await readResults(client, id);
      return { ...results, event: results.event as NonNullable<EventResults['event']> };
    },
    async left() {
      const keys = await api.kvKeys(prefix);
      return keys
        .map((key) => key.slice(prefix.length))
        .filter((key) => !/^(results|schedules)\//.test(key) && !/^inbox\/[^/]+\/\.keep$/.test(key));
    },
  };
}

function fleetNode(
  t: ExecutionContext,
  address: Address,
  prefix: string,
  stateDir: string,
  files: readonly string[],
  options: FleetOptions,
): FleetNode {
  const config = testConfig(address, { prefix, stateDir, files, ...options.config?.(address.name) });
  const client = openClient(config);
  t.teardown(() => client.close());
  const never = new AbortController().signal;
  const context: FleetNode['context'] = (over = {}) =>
    createContext({
      config,
      client,
      log: process.env.METRONOME_TEST_LOG === undefined ? silent : printing(address.name),
      signal: never,
      ...over,
    });
  return {
    name: address.name,
    address,
    config,
    client,
    context,
    push: (events) => push(context(), JSON.stringify(events)),
    dispatch: (quick = false) => dispatch(context(), { quick }),
    execute: () => execute(context()),
    async tick() {
      await tick(context());
    },
  };
}

function printing(node: string) {
  const say = (message: string) =>
    appendFileSync(
      process.env.METRONOME_TEST_LOG ?? '/dev/null',
      `${(performance.now() / 1000).toFixed(2)} ${node}: ${message}\n`,
    );
  return { debug: say, info: say, warn: say, error: say };
}
