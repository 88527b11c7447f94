/** Texts of schedule files, and what else tests of whole runs need. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Control, Run } from '../../src/run/types.js';
import { claim, readInbox } from '../../src/store/inbox.js';
import { createSession, destroySession } from '../../src/store/session.js';
import { consulApi, until } from '../support/cluster.js';
import type { Fleet } from '../support/fleet.js';

/** An operation that runs these lines; `note WORD` writes to the fleet's ledger. */
export const run = (script: string): string =>
  `
      - execute:
          script: |
            NOTE${script
              .trim()
              .split('\n')
              .map((line) => `\n            ${line}`)
              .join('')}`;

/** A task of these operations. */
export const task = (name: string, ...operations: string[]): string => `
  ${name}:
    operations:${operations.join('')}`;

/** A task that notes its start and end, with something between. */
export const work = (name: string, between = 'true'): string =>
  task(name, run(`note start\n${between}\nnote end`));

/** The shell lines that wait for `touch <dir>/<name>`. */
export const waitFor = (name: string): string =>
  `while [ ! -e "$(dirname $LEDGER)/${name}" ]; do sleep 0.05; done`;

/** A check that says of itself how it is. */
export const TTL = { TTL: '600s', Status: 'passing' };
export const FAILING = { TTL: '600s', Status: 'critical' };

/** The check of a service on a node is from now on so. */
export async function setHealth(
  f: Fleet,
  node: string,
  service: string,
  status: 'pass' | 'fail',
): Promise<void> {
  const api = consulApi(f.node(node).address);
  await api.request('PUT', `agent/check/${status}/service:${service}`);
}

/** The run's document; undefined: it has not begun, or is over. */
export async function runOf(f: Fleet, id: string): Promise<Run | undefined> {
  const entry = await f.api.kvGet(`${f.prefix}progress_task_queue/${id}/run`);
  return entry === null ? undefined : (JSON.parse(entry.value) as Run);
}

/** Waits until the run's current step shows this gate. */
export function gateOf(f: Fleet, id: string, gate: RegExp): Promise<true> {
  return until(async () => gate.test((await runOf(f, id))?.step.gate ?? ''), `the gate ${gate}`, 30_000);
}

/** An operator's word. */
export const say = (f: Fleet, id: string, control: Control): Promise<boolean> =>
  f.api.kvPut(`${f.prefix}control/${id}`, JSON.stringify(control));

/** Lets the tasks go on that wait for this name. */
export const go = (f: Fleet, name: string): void => writeFileSync(join(f.dir, name), '');

/** An executor on this node claims the first assignment of its inbox and dies: its session ends, its task is gone. */
export async function dieOver(f: Fleet, node: string): Promise<void> {
  const { client } = f.node(node);
  const incoming = await until(async () => {
    await f.node(node).dispatch();
    return (await readInbox(client, node)).incoming[0];
  }, 'an assignment');
  const { id, no, assignment, value } = incoming;
  const session = await createSession(client, 'dies');
  const claimed = { node, id, no, attempt: assignment.attempt, session, value, startedAt: Date.now() };
  const seen = { runIndex: assignment.runIndex ?? incoming.createIndex, inboxIndex: incoming.index };
  if (!(await claim(client, claimed, seen))) throw new Error('the assignment was not claimed');
  await destroySession(client, session);
}
