import test from 'ava';
import { readTurn, turnOf, writeTurn } from '../../src/store/turn.js';
import { runOf } from './_documents.js';
import { openStore, unchanged } from './_store.js';

const waiting = { no: 0, phase: 'waiting', by: 'n1' } as const;

test('the turn is taken from him who had it, while the run is there', async (t) => {
  const store = openStore(t);
  await store.put('progress_task_queue/e1/run', runOf('e1'));
  t.deepEqual(await readTurn(store.client, 'e1'), { index: 0 });
  const index = await writeTurn(store.client, 'e1', waiting, 0);
  t.is(index, (await store.entry('progress_task_queue/e1/turn')).modifyIndex);
  t.deepEqual(await readTurn(store.client, 'e1'), { turn: waiting, index: index ?? -1 });
  await unchanged(t, store, async () => {
    t.is(await writeTurn(store.client, 'e1', { ...waiting, by: 'n2' }, 0), undefined);
    t.is(await writeTurn(store.client, 'e1', { ...waiting, by: 'n2' }, (index ?? 0) - 1), undefined);
  });
  t.not(await writeTurn(store.client, 'e1', { ...waiting, phase: 'looking' }, index ?? 0), undefined);
});

test('of a run that has ended nothing is left behind by a late one', async (t) => {
  const store = openStore(t);
  await store.put('progress_task_queue/e10/run', runOf('e10'));
  await unchanged(t, store, async () => t.is(await writeTurn(store.client, 'e1', waiting, 0), undefined));
});

test('of twelve at once exactly one takes it', async (t) => {
  const store = openStore(t);
  await store.put('progress_task_queue/e1/run', runOf('e1'));
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      writeTurn(store.clients[at % 4] ?? store.client, 'e1', { ...waiting, by: `caller-${at}` }, 0),
    ),
  );
  const winner = answers.findIndex((answer) => answer !== undefined);
  t.is(answers.filter((answer) => answer !== undefined).length, 1);
  t.deepEqual(await readTurn(store.client, 'e1'), {
    turn: { ...waiting, by: `caller-${winner}` },
    index: answers[winner] ?? -1,
  });
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
    t.deepEqual(turnOf({ key: 'k', value, createIndex: 1, modifyIndex: 7, flags: 0 }), { index: 7 }, value);
});
