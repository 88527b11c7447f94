import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { freshName, until } from '../support/cluster.js';
import { type Fleet, fleet } from '../support/fleet.js';
import { drive, type Operator, operator, result, widest } from './_cli.js';

async function world(t: ExecutionContext): Promise<{ f: Fleet; run: Operator; go(): void }> {
  const app = freshName('app');
  const f = fleet(t, {
    files: {
      web: `
default:
  step: {grace: 2}
events:
  held:
    ordered_tasks:
      - {service: ${app}, task: held}
      - {service: ${app}, task: quick}
    always:
      - {service: ${app}, task: tidy}
  gated:
    ordered_tasks:
      - {service: ${app}, task: quick}
      - {service: ${app}, task: quick, approve: true}
  quick:
    ordered_tasks:
      - {service: ${app}, task: quick}
tasks:
  held:
    operations:
      - execute:
          script: |
            NOTE
            note start
            while [ ! -e "$(dirname "$PWD")/go" ]; do sleep 0.05; done
  quick:
    operations:
      - execute: {script: 'NOTE

            note start'}
  tidy:
    operations:
      - execute: {script: 'NOTE

            note start'}
`,
    },
  });
  await f.serve('n2', app);
  const go = () => existsSync(join(f.dir, 'go')) || writeFileSync(join(f.dir, 'go'), '');
  drive(t, f);
  t.teardown(go);
  return { f, run: operator(t, f), go };
}

async function fire(run: Operator, event: string): Promise<string> {
  return (await run(['fire', event, '--json'])).json<{ ID: string }>().ID;
}

test('cancel ends the tasks of a run, and takes queued events out; who did it is kept', async (t) => {
  const { f, run } = await world(t);
  const id = await fire(run, 'held');
  await until(() => f.starts().includes('n2 held'), 'the task to begin', 60_000);
  const waiting = await fire(run, 'quick');
  const another = await fire(run, 'quick');
  const last = await fire(run, 'quick');
  t.is((await run(['cancel'])).code, 2);

  const taken = await run(['queue', 'rm', waiting, '--reason', 'twice']);
  t.is(taken.out, `${waiting}: taken out of the queue\n`);
  t.like(await result(f, waiting), { Status: 'cancelled' });
  const queue = (await run(['queue', '--json'])).json<{ queued: { ID: string; Place: number }[] }>();
  t.deepEqual(
    queue.queued.map(({ ID, Place }) => [ID, Place]),
    [
      [another, 1],
      [last, 2],
    ],
  );
  t.is((await run(['queue', 'move', last, '--first'])).out, `quick ${last}: first in the queue\n`);
  const listed = (await run(['queue'], { terminal: 80 })).out;
  t.true(widest(listed) <= 80, listed);
  t.regex(listed, new RegExp(`1 +${last.slice(0, 8)}`));
  t.like((await run(['cancel', '--queued', '--json'])).json<{ cancelled: object[] }>().cancelled, [
    { ID: last },
    { ID: another },
  ]);
  t.is((await run(['queue'])).out, 'the queue is empty\n');

  const cancelled = await run(['cancel', id, '--reason', 'wrong version']);
  t.is(cancelled.out, `held ${id}: cancelled: its tasks are being ended\n`);
  const ended = await result(f, id);
  t.is(ended.Status, 'cancelled');
  t.like((ended.Actions as object[])[1], { what: 'cancel', user: 'alice', reason: 'wrong version' });
  t.deepEqual(f.starts(), ['n2 held', 'n2 tidy'], 'the always steps ran, no other');
  t.regex((await run(['status', id])).out, /cancel by alice on \S+, .*: wrong version/);
  const late = await run(['cancel', id]);
  t.is(late.code, 2);
  t.regex(late.err, /has ended already: cancelled/);
  t.is((await run(['cancel', '--all'])).out, 'nothing to cancel\n');
  t.deepEqual(await f.left(), []);
});

test('a paused run starts no step until it is resumed', async (t) => {
  const { f, run, go } = await world(t);
  const id = await fire(run, 'held');
  await until(() => f.starts().includes('n2 held'), 'the task to begin', 60_000);
  t.regex((await run(['pause', id])).out, /paused: tasks at work go on/);
  t.regex((await run(['pause', id])).out, /paused already/);
  go();
  await until(
    async () => /: paused/.test((await run(['status', id, '--json'])).json<{ Waiting: string }>().Waiting),
    'the next step to be held',
    60_000,
  );
  t.deepEqual(f.starts(), ['n2 held']);
  t.regex((await run(['status', id])).out, new RegExp(`metronome resume ${id} goes on`));
  t.regex((await run(['resume', id])).out, /goes on/);
  const ended = await result(f, id);
  t.is(ended.Status, 'success');
  t.deepEqual(
    (ended.Actions as { what: string }[]).map(({ what }) => what),
    ['fire', 'pause', 'resume'],
  );
  t.is((await run(['resume', id])).code, 2);
});

test('a step with approve waits for it', async (t) => {
  const { f, run } = await world(t);
  const id = await fire(run, 'gated');
  const early = await run(['approve', id, '--step', '0']);
  t.is(early.code, 2);
  await until(
    async () => /approval/.test((await run(['status', id, '--json'])).json<{ Waiting: string }>().Waiting),
    'the gate',
    60_000,
  );
  t.deepEqual(f.starts(), ['n2 quick']);
  t.is((await run(['approve', id])).out, `gated ${id}: step 1 quick is approved\n`);
  const ended = await result(f, id);
  t.is(ended.Status, 'success');
  t.like((ended.Actions as object[])[1], { what: 'approve step 1 quick', user: 'alice' });
});

test('commands about runs say so when there is none, or it has not started', async (t) => {
  const { run } = await world(t);
  const id = await fire(run, 'held');
  const queued = await fire(run, 'quick');
  for (const command of ['pause', 'resume', 'approve']) {
    const called = await run([command, queued]);
    t.is(called.code, 2);
    t.regex(called.err, /has not started/);
    t.is((await run([command, 'no-such-id'])).code, 2);
  }
  t.is((await run(['rerun', id])).code, 2, 'what runs is not run again');
  t.regex((await run(['logs', queued])).err, /waits in the queue/);
  t.is((await run(['cancel', '--all', '--force'])).code, 0);
});

test('gc removes the details of what ended long ago, and keeps the id', async (t) => {
  const f = fleet(t, { nodes: ['n1'], files: {} });
  const run = operator(t, f);
  const put = (key: string, value: object) => f.api.kvPut(`${f.prefix}results/${key}`, JSON.stringify(value));
  const ended = (ID: string, days: number) => {
    const at = new Date(Date.now() - days * 86_400_000).toISOString();
    return { ID, Name: 'deploy', Status: 'success', StartedAt: at, FinishedAt: at, Steps: 1 };
  };
  await put('old', ended('old', 40));
  await put('old/0', { EventID: 'old', No: 0, Name: 'x', Status: 'success' });
  await put('new', ended('new', 20));
  await put('new/0', { EventID: 'new', No: 0, Name: 'x', Status: 'success' });
  t.is((await run(['gc', '--keep', 'thirty'])).code, 2);
  t.deepEqual((await run(['gc', '--keep', '30d', '--json'])).json(), { pruned: ['old'] });
  t.deepEqual(await f.api.kvKeys(`${f.prefix}results/old`), [`${f.prefix}results/old`]);
  t.is((await run(['rerun', 'old', '--failed'])).code, 2);
  t.is((await run(['gc', '--keep', '12h'])).out, 'the details of 1 event are removed\n');
  t.is((await run(['gc'])).out, 'the details of 0 events are removed\n');
});
