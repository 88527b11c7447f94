import test from 'ava';
import { turnOf, writeLooking } from '../../src/store/turn.js';
import { runOf } from './_documents.js';
import { openStore, unchanged } from './_store.js';

const looking = { no: 0, phase: 'looking', by: 'n1' } as const;

test('who looks says so, whoever wrote the turn before', async (t) => {
  const store = openStore(t);
  await store.put('progress_task_queue/e1/run', runOf('e1'));
  t.true(await writeLooking(store.client, 'e1', looking));
  t.deepEqual((await store.documents())['progress_task_queue/e1/turn'], looking);
  t.true(await writeLooking(store.client, 'e1', { ...looking, by: 'n2' }));
  t.deepEqual((await store.documents())['progress_task_queue/e1/turn'], { ...looking, by: 'n2' });
});

test('of a run that has ended nothing is left behind by a late one', async (t) => {
  const store = openStore(t);
  await store.put('progress_task_queue/e10/run', runOf('e10'));
  await unchanged(t, store, async () => t.false(await writeLooking(store.client, 'e1', looking)));
});

test('one that cannot be read is nobody’s', (t) => {
  for (const value of [
    '',
    '{',
    '[]',
    '{}',
    '{"no":"0","phase":"waiting","by":"n1"}',
    '{"no":0,"phase":"x","by":""}',
  ])
    t.is(turnOf({ key: 'k', value, createIndex: 1, modifyIndex: 7, flags: 0 }), undefined, value);
});
