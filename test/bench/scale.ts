/** Many nodes, simulated: a real Consul server has them in its catalog, their execute handlers run in this process. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext } from '../../handlers/context.js';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { silent } from '../../src/log.js';
import { openClient } from '../../src/store/client.js';
import { readResults } from '../../src/store/history.js';
import { consulApi, startCluster } from '../support/cluster.js';
import { testConfig } from '../support/config.js';
import { countingProxy } from './measure.js';

export interface ScalePoint {
  readonly nodes: number;
  readonly msPerStep: number;
  readonly requestsPerTarget: number;
  readonly bytesPerTarget: number;
  /** Of the requests, how many a step of each kind. */
  readonly kinds: Readonly<Record<string, number>>;
}

const STEPS = 5;
/** So many handlers at once: each stands for a machine of its own, but they share this one's two cores. */
const AT_ONCE = 50;

export async function measureScale(
  sizes: readonly number[],
  finished: number,
  queued: number,
): Promise<ScalePoint[]> {
  const cluster = await startCluster({ servers: 1 });
  const server = cluster.node('s1');
  const api = consulApi(server);
  const counter = await countingProxy(server);
  const prefix = 'scale/';
  const points: ScalePoint[] = [];
  try {
    await fillHistory(api, prefix, finished);
    for (const nodes of sizes) {
      const names = Array.from({ length: nodes }, (_, at) => `s${nodes}-${at + 1}`);
      const service = `of-${nodes}`;
      await inParallel(names, (Node) =>
        api.request('PUT', 'catalog/register', {
          body: { Node, Address: '127.0.0.1', Service: { Service: service } },
        }),
      );
      const dir = join(cluster.dir, service);
      const file = join(dir, 'scale', 'task.yml');
      mkdirSync(join(dir, 'scale'), { recursive: true });
      const steps = Array.from({ length: STEPS }, () => `{service: ${service}, task: nothing}`).join(', ');
      writeFileSync(
        file,
        `events: {go: {ordered_tasks: [${steps}]}}\ntasks: {nothing: {operations: [{echo: nothing}]}}\n`,
      );
      const { signal } = new AbortController();
      // So many nodes in one process: a node of its own has one.
      setMaxListeners(0, signal);
      const at = { host: '127.0.0.1', port: counter.port, name: 's1' };
      const client = openClient(testConfig(at, { prefix, stateDir: dir }));
      const contexts = new Map(
        names.map((node) => [
          node,
          createContext({
            config: testConfig(at, { prefix, stateDir: join(dir, node), files: [file], node }),
            client,
            log: silent,
            signal,
          }),
        ]),
      );
      const first = contexts.get(names[0] as string);
      if (first === undefined) throw new Error('no node');
      const id = randomUUID();
      await push(first, JSON.stringify([{ ID: id, Name: 'go', Payload: null, LTime: 1 }]));
      if (queued > 0) {
        const waiting = Array.from({ length: queued }, (_, n) => ({
          ID: randomUUID(),
          Name: 'go',
          Payload: null,
          LTime: n + 2,
        }));
        await push(first, JSON.stringify(waiting));
      }
      // Lockfiles, the first .keep: what a node does once is not what a step costs.
      await inParallel(names, (name) => execute(contexts.get(name) as typeof first));
      counter.reset();
      const start = performance.now();
      await dispatch(first);
      for (let step = 0; step < STEPS; step += 1)
        await inParallel(names, (name) => execute(contexts.get(name) as typeof first));
      let { event } = await readResults(client, id);
      for (let tries = 0; event?.Status === 'inprogress' && tries < 20; tries += 1) {
        await dispatch(first);
        await inParallel(names, (name) => execute(contexts.get(name) as typeof first));
        ({ event } = await readResults(client, id));
      }
      const ms = performance.now() - start;
      if (event?.Status !== 'success')
        throw new Error(`the event of ${nodes} nodes ended ${event?.Status}: ${event?.Reason}`);
      points.push({
        nodes,
        msPerStep: ms / STEPS,
        requestsPerTarget: counter.requests / STEPS / nodes,
        bytesPerTarget: counter.bytes / STEPS / nodes,
        kinds: Object.fromEntries([...counter.kinds].map(([kind, count]) => [kind, count / STEPS])),
      });
      client.close();
      for (const key of ['event_queue/', 'progress_task_queue/', 'active/', 'inbox/'])
        await api.kvDeleteTree(prefix + key);
      await inParallel(names, (Node) => api.request('PUT', 'catalog/deregister', { body: { Node } }));
    }
    return points;
  } finally {
    counter.close();
    await cluster.close();
  }
}

async function fillHistory(
  api: ReturnType<typeof consulApi>,
  prefix: string,
  finished: number,
): Promise<void> {
  for (let at = 0; at < finished; at += 60) {
    await api.txn(
      Array.from({ length: Math.min(60, finished - at) }, () => {
        const ID = randomUUID();
        const value = JSON.stringify({
          ID,
          Name: 'old',
          Status: 'success',
          StartedAt: '2026-01-01T00:00:00Z',
          FinishedAt: '2026-01-01T00:00:09Z',
        });
        return { KV: { Verb: 'set', Key: `${prefix}results/${ID}`, Value: value } };
      }),
    );
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE)
    await Promise.all(items.slice(at, at + AT_ONCE).map(work));
}
