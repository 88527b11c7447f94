/** Results as written and read, pruning, and the log under its session. */
import test from 'ava';
import {
  readDetailedIds,
  readEventIds,
  readEventResults,
  readMany,
  readResults,
} from '../../src/store/history.js';
import { pruneResult, readPrunable } from '../../src/store/prune.js';
import { readEventResult, readNodeResult, writeLog } from '../../src/store/results.js';
import { openStore, session, type Store, unchanged } from './_store.js';

const event = (ID: string, more: object = {}) => ({ ID, Name: 'configure', Status: 'success', ...more });

async function fill(store: Store): Promise<void> {
  await store.put('results/e1', event('e1', { StartedAt: '2024-01-01T00:00:00.000Z' }));
  await store.put('results/e1/0', { EventID: 'e1', No: 0, Name: 'a', Status: 'success' });
  await store.put('results/e1/10', { EventID: 'e1', No: 10, Name: 'c', Status: 'skip' });
  await store.put('results/e1/2', { EventID: 'e1', No: 2, Name: 'b', Status: 'success' });
  for (const [no, node] of [
    [0, 'n2'],
    [10, 'n1'],
    [0, 'n10'],
    [0, 'log'],
  ] as const) {
    await store.put(`results/e1/${no}/${node}`, { EventID: 'e1', No: no, Node: node, Status: 'success' });
    await store.put(`results/e1/${no}/${node}/log`, '{"a": "log"}');
  }
  await store.put('results/e10', event('e10', { StartedAt: '2024-01-03T00:00:00.000Z' }));
  await store.put('results/e10/0', { EventID: 'e10', No: 0 });
  await store.put('results/e2', event('e2', { StartedAt: '2024-01-02T00:00:00.000Z' }));
}

test('readResults: event, steps and nodes in order, no logs, no neighbours', async (t) => {
  const store = openStore(t);
  await fill(store);
  await store.put('results/e1/3', 'broken');
  await store.put('results/e1/x', { EventID: 'e1' });
  const { event: found, steps, nodes } = await readResults(store.client, 'e1');
  t.is(found?.ID, 'e1');
  t.deepEqual(
    steps.map(({ No }) => No),
    [0, 2, 10],
  );
  t.deepEqual(
    nodes.map(({ No, Node }) => [No, Node]),
    [
      [0, 'log'],
      [0, 'n10'],
      [0, 'n2'],
      [10, 'n1'],
    ],
  );
  t.deepEqual(await readResults(store.client, 'none'), { steps: [], nodes: [] });
});

test('the ids that have a result, and those that have more', async (t) => {
  const store = openStore(t);
  await fill(store);
  await store.put('results/..', 'x');
  await store.put('results/only/0', {});
  t.deepEqual((await readEventIds(store.client)).toSorted(), ['e1', 'e10', 'e2']);
  t.deepEqual((await readDetailedIds(store.client)).toSorted(), ['e1', 'e10', 'only']);
  t.deepEqual(
    (await readEventResults(store.client, ['e1', 'none', 'e2', 'e10'])).map(({ ID }) => ID),
    ['e10', 'e2', 'e1'],
  );
});

test('readMany: 200 keys, some of them missing', async (t) => {
  const store = openStore(t);
  const keys = Array.from({ length: 200 }, (_, at) => `${store.prefix}k/${at}`);
  for (let at = 0; at < 200; at += 50)
    await store.api.txn(
      keys
        .slice(at, at + 50)
        .filter((key) => !key.endsWith('77'))
        .map((Key) => ({ KV: { Verb: 'set', Key, Value: Key } })),
    );
  const found = await readMany(store.client, keys);
  t.deepEqual(
    found.map(({ key }) => key),
    keys.filter((key) => !key.endsWith('77')),
  );
  t.true(found.every(({ key, value }) => key === value));
  t.deepEqual(await readMany(store.client, []), []);
});

test('a single result; what is broken counts as none', async (t) => {
  const store = openStore(t);
  await fill(store);
  await store.put('results/e3', '[]');
  t.is((await readEventResult(store.client, 'e1'))?.ID, 'e1');
  t.is(await readEventResult(store.client, 'e3'), undefined);
  t.is(await readEventResult(store.client, 'e'), undefined);
  t.is((await readNodeResult(store.client, 'e1', 0, 'n10'))?.Node, 'n10');
  t.is(await readNodeResult(store.client, 'e1', 0, 'n1'), undefined);
});

test('writeLog: as long as the session lives, and nobody else', async (t) => {
  const store = openStore(t);
  const [by, other] = [await session(t, store), await session(t, store)];
  const write = (text: string, as: string) => writeLog(store.client, 'e1', 0, 'n1', text, as);
  t.true(await write('', by));
  t.true(await write('one\n"ä"\n', by));
  t.like(await store.entry('results/e1/0/n1/log'), { value: 'one\n"ä"\n', session: by });
  await unchanged(t, store, async () => t.false(await write('other', other)));
  await store.api.destroySession(by);
  await unchanged(t, store, async () => t.false(await write('late', by)));
  await unchanged(t, store, async () =>
    t.false(await write('never', '8f7cb6d2-0c3f-4d1f-9d57-1f5a1b4c2d3e')),
  );
  t.true(await write('again', other));
});

test('readPrunable: the oldest that ended before an instant and still have details', async (t) => {
  const store = openStore(t);
  const ended = (day: number) => ({
    StartedAt: `2024-01-0${day}T00:00:00.000Z`,
    FinishedAt: `2024-01-0${day}T01:00:00.000Z`,
  });
  for (const day of [3, 1, 2, 4]) {
    await store.put(`results/e${day}`, event(`e${day}`, ended(day)));
    await store.put(`results/e${day}/0`, {});
  }
  await store.put('results/bare', event('bare', ended(1)));
  await store.put('results/runs', event('runs', { StartedAt: '2024-01-01T00:00:00.000Z' }));
  await store.put('results/runs/0', {});
  const before = '2024-01-03T01:00:00.000Z';
  t.deepEqual(await readPrunable(store.client, before, 10), { ids: ['e1', 'e2'], more: false });
  t.deepEqual(await readPrunable(store.client, before, 1), { ids: ['e1'], more: true });
});

test('pruneResult keeps what stops the event from running again', async (t) => {
  const store = openStore(t);
  const before = '2024-02-01T00:00:00.000Z';
  await fill(store);
  const times = { StartedAt: '2024-01-01T00:00:00.000Z', FinishedAt: '2024-01-01T01:00:00.000Z' };
  await store.put('results/e1', event('e1', { ...times, Reason: 'x', Steps: 3 }));
  t.true(await pruneResult(store.client, 'e1', before));
  const documents = await store.documents();
  t.deepEqual(documents['results/e1'], { ...event('e1'), ...times });
  t.deepEqual(Object.keys(documents).toSorted(), [
    'results/e1',
    'results/e10',
    'results/e10/0',
    'results/e2',
  ]);
  // It runs yet, it ended later, it is not there, it cannot be read.
  await store.put('results/e3', 'x');
  await unchanged(t, store, async () => {
    t.false(await pruneResult(store.client, 'e10', before));
    t.false(await pruneResult(store.client, 'e1', '2024-01-01T01:00:00.000Z'));
    t.false(await pruneResult(store.client, 'none', before));
    t.false(await pruneResult(store.client, 'e3', before));
  });
});
