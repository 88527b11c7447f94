/** `schedules` on a real Consul: whoever ticks, however often, each due time fires once. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { fireDue } from '../../handlers/cron.js';
import { freshName, until } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { hash } from '../../src/run/batches.js';
import { work } from './_tasks.js';

const DAY = 86_400_000;
/** Yesterday noon: what is queued then is old enough for every wait. */
const NOON = Math.floor(Date.now() / DAY) * DAY - DAY / 2;

test('an entry fires once in the whole cluster, with its data, and once more the next time', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    files: {
      web: `
events: {backup: {ordered_tasks: [{service: ${app}, task: work}]}}
schedules:
  - {cron: '30 2 * * *', event: backup, data: {kind: full}}
tasks:${work('work', 'echo "$METRONOME_DATA_KIND" >> "$(dirname $LEDGER)/kind"')}
`,
    },
  });
  await f.serve('n2', app);
  const at = (now: number) =>
    Promise.all(f.nodes.flatMap((node) => [1, 2].map(() => fireDue(node.context({ now: () => now }))))).then(
      (found) => found.flat(),
    );
  /** Without ticks, which would look at the real clock. */
  const end = async (id: string) =>
    until(
      async () => {
        await f.node('n2').dispatch();
        await f.node('n2').execute();
        const text = (await f.api.kvGet(`${f.prefix}results/${id}`))?.value ?? '{}';
        return (JSON.parse(text) as { FinishedAt?: string; Status: string }).FinishedAt === undefined
          ? undefined
          : (JSON.parse(text) as { Status: string }).Status;
      },
      'the event to end',
      30_000,
    );
  t.deepEqual(await at(NOON - 3 * DAY), [], 'from now on: nothing for the past');
  t.deepEqual(await at(NOON - 3 * DAY + 1000), []);
  const due = NOON - 2 * DAY - DAY / 2 + 2.5 * 3_600_000;
  const [id = '', ...more] = await at(due + 2000);
  t.deepEqual(more, []);
  t.regex(id, /^cron-[0-9a-f]{8}-\d{8}T023000Z$/);
  t.deepEqual(await at(due + 3000), []);
  // The keeper of the times is lost; the event is known.
  await f.api.kvDeleteTree(`${f.prefix}schedules/`);
  t.deepEqual(await at(due - DAY / 2), []);
  t.deepEqual(await at(due + 4000), [], 'it stands in the queue already');
  t.is(await end(id), 'success');
  t.deepEqual(await at(due + 4000), [], 'it has run');
  const next = await at(due + DAY + 1000);
  t.is(next.length, 1);
  t.not(next[0], id);
  t.is(await end(next[0] ?? ''), 'success');
  t.true(existsSync(join(f.dir, 'kind')));
  t.is(readFileSync(join(f.dir, 'kind'), 'utf8'), 'full\nfull\n');
  t.is(f.starts().length, 2);
});

test('catch_up says what becomes of missed times, jitter delays them by the same on every node', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events:
  once: &event {ordered_tasks: [{service: ${app}, task: work}]}
  skipped: *event
  late: *event
schedules:
  - {cron: '0 2 * * *', event: once, catch_up: once}
  - {cron: '0 2 * * *', event: skipped, catch_up: skip}
  - {cron: '0 0 2 * * *', event: late, catch_up: once, jitter: 2h}
tasks:${work('work')}
`,
    },
  });
  const names = async () => {
    const queue = await f.api.kvTexts(`${f.prefix}event_queue/`);
    return Object.values(queue)
      .map((text) => (JSON.parse(text) as { Name: string }).Name)
      .toSorted();
  };
  const at = async (now: number, on = 'n1') => fireDue(f.node(on).context({ now: () => now }));
  await at(NOON - 5 * DAY);
  // All nodes were down for three days.
  await at(NOON - 2 * DAY, 'n2');
  t.deepEqual(await names(), ['late', 'once']);
  // The next night somebody is there, and in time.
  const due = NOON - 2 * DAY + 14 * 3_600_000;
  const states = await f.api.kvTexts(`${f.prefix}schedules/`);
  const [name = ''] = Object.entries(states).find(([, text]) => text.includes('"late"')) ?? [];
  const delay = hash(`${name} ${due}`) % (2 * 3_600_000);
  await at(due);
  t.deepEqual(await names(), ['late', 'once', 'once', 'skipped']);
  t.deepEqual(await at(due + delay - 1), []);
  t.is((await at(due + delay, 'n2')).length, 1);
  t.deepEqual(await names(), ['late', 'late', 'once', 'once', 'skipped']);
  t.deepEqual(await at(due + delay, 'n1'), []);
});
