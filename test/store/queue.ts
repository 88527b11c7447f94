/** push, dismissQueued, rewriteQueued and the queue's order, on a real Consul. */
import test from 'ava';
import { dismissQueued, push, readQueue, rewriteQueued } from '../../src/store/queue.js';
import { LATER, NOW, queuedEvent, STARTED } from './_documents.js';
import { openStore, unchanged, winners } from './_store.js';

test('push writes the event under its id and nothing else', async (t) => {
  const store = openStore(t);
  const event = queuedEvent('e1', { Payload: '"x"\n\u0001', Data: { key: 'größe' } });
  t.deepEqual(await push(store.client, [event]), ['queued']);
  t.deepEqual(await store.documents(), { 'event_queue/e1': event });
});

test('push: a second time, from another node and with other words, it is known', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('e1')]);
  await unchanged(t, store, async () => {
    for (const client of store.clients)
      t.deepEqual(await push(client, [queuedEvent('e1', { Payload: 'other' })]), ['known']);
  });
});

test('push: what has a result is never queued again', async (t) => {
  const store = openStore(t);
  await store.put('results/e1', { ID: 'e1', Status: 'success' });
  await unchanged(t, store, async () =>
    t.deepEqual(await push(store.client, [queuedEvent('e1')]), ['known']),
  );
  // Its steps' results alone are not its result; nor is e1's that of e10 or e.
  await store.put('results/e2/0', {});
  t.deepEqual(
    await push(store.client, [queuedEvent('e2'), queuedEvent('e10'), queuedEvent('e'), queuedEvent('e1')]),
    ['queued', 'queued', 'queued', 'known'],
  );
});

test('push: what is known does not keep the others of the call from the queue', async (t) => {
  const store = openStore(t);
  await store.put('results/e3', {});
  await push(store.client, [queuedEvent('e1')]);
  const events = ['e0', 'e1', 'e2', 'e3', 'e4'].map((id, Seq) => queuedEvent(id, { Seq }));
  t.deepEqual(await push(store.client, events), ['queued', 'known', 'queued', 'known', 'queued']);
  const { queue } = await readQueue(store.client);
  t.deepEqual(
    queue.map(({ event }) => event.ID),
    ['e1', 'e0', 'e2', 'e4'],
  );
});

test('push: an event twice in one call is queued once, as it first stood', async (t) => {
  const store = openStore(t);
  const first = queuedEvent('e1', { Payload: 'first' });
  t.deepEqual(
    await push(store.client, [
      first,
      queuedEvent('e2', { Seq: 1 }),
      queuedEvent('e1', { Payload: 'second' }),
    ]),
    ['queued', 'queued', 'known'],
  );
  t.deepEqual((await store.documents())['event_queue/e1'], first);
});

test('push: nothing to push is nothing written', async (t) => {
  const store = openStore(t);
  t.deepEqual(await push(store.client, []), []);
  t.deepEqual(await store.tree(), []);
});

test('push: the same twenty events from sixteen callers at once are queued once each', async (t) => {
  const store = openStore(t);
  const events = Array.from({ length: 20 }, (_, Seq) => queuedEvent(`e${Seq}`, { Seq }));
  const callers = Array.from({ length: 16 }, (_, at) => store.clients[at % 4] ?? store.client);
  const answers = await Promise.all(callers.map((client) => push(client, events)));
  for (const [at] of events.entries())
    t.is(answers.filter((outcomes) => outcomes[at] === 'queued').length, 1, `event ${at}`);
  t.is((await store.tree()).length, 20);
});

test('push: 3,000 events in one call keep their order', async (t) => {
  const store = openStore(t);
  const ids = Array.from({ length: 3000 }, (_, at) => `e${(at * 7919) % 3000}`);
  const outcomes = await push(
    store.client,
    ids.map((id, Seq) => queuedEvent(id, { Seq })),
  );
  t.is(outcomes.length, 3000);
  t.true(outcomes.every((outcome) => outcome === 'queued'));
  const { queue, broken } = await readQueue(store.client);
  t.deepEqual(broken, []);
  t.deepEqual(
    queue.map(({ event }) => event.ID),
    ids,
  );
});

test('push: events too large for one transaction together go in several', async (t) => {
  const store = openStore(t);
  const Payload = 'ä'.repeat(60_000);
  const events = Array.from({ length: 7 }, (_, Seq) => queuedEvent(`e${Seq}`, { Seq, Payload }));
  t.deepEqual(new Set(await push(store.client, events)), new Set(['queued']));
  const { queue } = await readQueue(store.client);
  t.deepEqual(
    queue.map(({ event }) => event.ID),
    ['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6'],
  );
  t.is(queue[6]?.event.Payload, Payload);
});

test('the queue stands by CreateIndex, then Seq; a flag goes before both', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('z', { Seq: 9 })]);
  // In one transaction: all have one CreateIndex.
  await push(store.client, [
    queuedEvent('m', { Seq: 2 }),
    queuedEvent('a', { Seq: 3 }),
    queuedEvent('b', { Seq: 1 }),
  ]);
  await push(store.client, [queuedEvent('c')]);
  const ids = async () => (await readQueue(store.client)).queue.map(({ event }) => event.ID);
  t.deepEqual(await ids(), ['z', 'b', 'm', 'a', 'c']);
  const { queue } = await readQueue(store.client);
  const last = queue[4];
  if (last === undefined) return t.fail();
  t.true(await rewriteQueued(store.client, last, last.event, 1));
  t.deepEqual(await ids(), ['c', 'z', 'b', 'm', 'a']);
  t.is((await store.entry('event_queue/c')).createIndex, last.createIndex);
});

test('rewriteQueued: the place stays; a stale caller and one whose event is gone change nothing', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('e1')]);
  await push(store.client, [queuedEvent('e2')]);
  const [first] = (await readQueue(store.client)).queue;
  if (first === undefined) return t.fail();
  const unplanned = { ...first.event, Unplanned: { at: NOW, by: 'n2' } };
  t.true(await rewriteQueued(store.client, first, unplanned));
  const { queue } = await readQueue(store.client);
  t.deepEqual(queue[0]?.event, unplanned);
  t.is(queue[0]?.createIndex, first.createIndex);
  await unchanged(t, store, async () => t.false(await rewriteQueued(store.client, first, first.event)));
  await store.api.kvDelete(`${store.prefix}event_queue/e1`);
  await unchanged(t, store, async () =>
    t.false(await rewriteQueued(store.client, queue[0] ?? first, first.event)),
  );
});

test('dismissQueued takes the event from the queue and leaves a result that says why', async (t) => {
  const store = openStore(t);
  const Actions = [{ what: 'cancel', user: 'op', host: 'h', at: LATER, reason: 'not today' }];
  await push(store.client, [queuedEvent('e1', { Actions }), queuedEvent('e10', { Seq: 1 })]);
  const [first] = (await readQueue(store.client)).queue;
  if (first === undefined) return t.fail();
  t.true(await dismissQueued(store.client, first, NOW, 'cancelled', 'cancelled by "op"'));
  t.deepEqual(await store.documents(), {
    'event_queue/e10': queuedEvent('e10', { Seq: 1 }),
    'results/e1': {
      ID: 'e1',
      Name: 'configure',
      Status: 'cancelled',
      StartedAt: LATER,
      FinishedAt: LATER,
      QueuedAt: STARTED,
      Reason: 'cancelled by "op"',
      Actions,
    },
  });
  await unchanged(t, store, async () =>
    t.false(await dismissQueued(store.client, first, NOW + 1, 'error', 'again')),
  );
  t.deepEqual(await push(store.client, [queuedEvent('e1')]), ['known']);
});

test('dismissQueued: one that was rewritten, or has a result, is left alone', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('e1')]);
  const [first] = (await readQueue(store.client)).queue;
  if (first === undefined) return t.fail();
  await rewriteQueued(store.client, first, { ...first.event, Payload: 'new' });
  await unchanged(t, store, async () =>
    t.false(await dismissQueued(store.client, first, NOW, 'cancelled', 'x')),
  );
  const [again] = (await readQueue(store.client)).queue;
  await store.put('results/e1', { ID: 'e1', Status: 'inprogress' });
  await unchanged(t, store, async () =>
    t.false(await dismissQueued(store.client, again ?? first, NOW, 'cancelled', 'x')),
  );
});

test('dismissQueued: of twelve at once exactly one', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('e1')]);
  const [first] = (await readQueue(store.client)).queue;
  if (first === undefined) return t.fail();
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      dismissQueued(store.clients[at % 4] ?? store.client, first, NOW, 'cancelled', `caller ${at}`),
    ),
  );
  t.is(winners(answers), 1);
  t.deepEqual((await store.documents())['results/e1'], {
    ID: 'e1',
    Name: 'configure',
    Status: 'cancelled',
    StartedAt: LATER,
    FinishedAt: LATER,
    QueuedAt: STARTED,
    Reason: `caller ${answers.indexOf(true)}`,
  });
});

test('readQueue names what it cannot read and passes it over', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('good')]);
  await store.put('event_queue/half', '{"ID":"half"');
  await store.put('event_queue/other', queuedEvent('another'));
  await store.put('event_queue/a/b', queuedEvent('b'));
  await store.put('event_queue/', '');
  await store.put('event_queue/..', queuedEvent('..'));
  const { queue, broken } = await readQueue(store.client);
  t.deepEqual(
    queue.map(({ event }) => event.ID),
    ['good'],
  );
  t.deepEqual(
    Object.fromEntries(broken.map(({ key, problem }) => [key.slice(store.prefix.length), problem])),
    {
      'event_queue/': 'is not the id of an event',
      'event_queue/..': 'is not the id of an event',
      'event_queue/a/b': 'is not the id of an event',
      'event_queue/half': 'is not JSON',
      'event_queue/other': 'expected ID other, found "another"',
    },
  );
});
