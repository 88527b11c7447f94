import test from 'ava';
import { fireScheduled, keepSchedule } from '../../src/store/schedules.js';
import { queuedEvent } from './_documents.js';
import { openStore, unchanged, winners } from './_store.js';

test('fireScheduled queues the event and moves the entry on, in one', async (t) => {
  const store = openStore(t);
  const event = queuedEvent('cron-1');
  t.true(await fireScheduled(store.client, event, 'web-1a', { value: '{"last":1}', index: 0 }));
  t.deepEqual(await store.documents(), { 'event_queue/cron-1': event, 'schedules/web-1a': { last: 1 } });
  const { modifyIndex } = await store.entry('schedules/web-1a');
  await unchanged(t, store, async () => {
    // Again, a stale one, one whose event is queued already.
    t.false(await fireScheduled(store.client, event, 'web-1a', { value: '{"last":1}', index: 0 }));
    t.false(
      await fireScheduled(store.client, queuedEvent('cron-2'), 'web-1a', { value: '{"last":2}', index: 0 }),
    );
    t.false(await fireScheduled(store.client, event, 'web-1a', { value: '{"last":2}', index: modifyIndex }));
  });
  t.true(
    await fireScheduled(store.client, queuedEvent('cron-2'), 'web-1a', {
      value: '{"last":2}',
      index: modifyIndex,
    }),
  );
});

test('fireScheduled: an event that has run moves the entry on and is not queued', async (t) => {
  const store = openStore(t);
  await store.put('results/cron-1', { ID: 'cron-1' });
  t.false(await fireScheduled(store.client, queuedEvent('cron-1'), 'web', { value: '{"last":1}', index: 0 }));
  t.deepEqual(await store.documents(), { 'results/cron-1': { ID: 'cron-1' }, 'schedules/web': { last: 1 } });
  await unchanged(t, store, async () =>
    t.false(
      await fireScheduled(store.client, queuedEvent('cron-1'), 'web', { value: '{"late":1}', index: 0 }),
    ),
  );
});

test('fireScheduled: of sixteen nodes at once exactly one', async (t) => {
  const store = openStore(t);
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, at) =>
      fireScheduled(store.clients[at % 4] ?? store.client, queuedEvent('cron-1'), 'web', {
        value: `{"by":${at}}`,
        index: 0,
      }),
    ),
  );
  t.is(winners(answers), 1);
  t.deepEqual((await store.documents())['schedules/web'], { by: answers.indexOf(true) });
});

test('keepSchedule: over what was read', async (t) => {
  const store = openStore(t);
  t.true(await keepSchedule(store.client, 'web', { value: '1', index: 0 }));
  await unchanged(t, store, async () =>
    t.false(await keepSchedule(store.client, 'web', { value: '2', index: 0 })),
  );
  const { modifyIndex } = await store.entry('schedules/web');
  t.true(await keepSchedule(store.client, 'web', { value: '2', index: modifyIndex }));
});
