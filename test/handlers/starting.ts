/** When a queued event starts: concurrency, buffer_period and window on a real Consul. */
import test from 'ava';
import { dispatch } from '../../handlers/dispatch.js';
import { freshName, holds, until } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { go, waitFor, work } from './_tasks.js';

test('concurrency: so many of a group run side by side as its limit says, and a node runs one task at a time', async (t) => {
  const [a, b, c] = [freshName('a'), freshName('b'), freshName('c')];
  const event = (service: string) =>
    `{concurrency: {group: deploys, limit: 2}, ordered_tasks: [{service: ${service}, task: work}]}`;
  const f = fleet(t, {
    nodes: ['n1', 'n2', 'n3'],
    files: {
      web: `
events: {one: ${event(a)}, two: ${event(b)}, three: ${event(c)}}
tasks:${work('work', waitFor('go'))}
`,
    },
  });
  await f.serve('n1', a);
  await f.serve('n2', b);
  await f.serve('n3', c);
  const ids = [await f.fire('one'), await f.fire('two'), await f.fire('three')];
  const ended = Promise.all(ids.map((id) => f.ended(id)));
  await until(() => f.starts().length === 2, 'two to run', 20_000);
  await holds(() => f.starts().length === 2, 'the third waits', 300);
  go(f, 'go');
  for (const { event: result } of await ended) t.is(result.Status, 'success');
  t.deepEqual(
    f
      .ledger()
      .slice(0, 2)
      .map(({ id }) => id)
      .toSorted(),
    ids.slice(0, 2).toSorted(),
  );
  t.is(f.starts()[2], 'n3 work');
  t.deepEqual(await f.left(), []);
});

test('cancel_in_progress: a newer event of the name ends the one that runs and those that wait', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
default: {step: {grace: 1s}}
events: {go: {concurrency: {group: go, cancel_in_progress: true}, ordered_tasks: [{service: ${app}, task: work}]}}
tasks:${work('work', 'cd "$(dirname $LEDGER)"; if [ ! -e begun ]; then touch begun; sleep 60; fi')}
`,
    },
  });
  await f.serve('n1', app);
  const first = await f.fire('go');
  const ended = f.ended(first);
  await until(() => f.starts().length === 1, 'the first to run', 20_000);
  // Both come while the first is being ended.
  const [second, third] = await Promise.all([
    f.fire('go', { id: `${first}-2` }),
    f.fire('go', { id: `${first}-3` }),
  ]);
  const results = [(await ended).event];
  for (const id of [second, third]) results.push((await f.ended(id)).event);
  const cancelled = results.filter(({ Status }) => Status === 'cancelled');
  t.is(cancelled.length, 2);
  t.is(results[0]?.Status, 'cancelled');
  t.regex(results[0]?.Actions?.[0]?.reason ?? '', /came, and has cancel_in_progress/);
  t.is(results.filter(({ Status }) => Status === 'success').length, 1);
  t.deepEqual(await f.left(), []);
});

test('buffer_period: events of one name within it become one run', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events: {go: {buffer_period: 1s/20s, ordered_tasks: [{service: ${app}, task: work}]}}
tasks:${work('work')}
`,
    },
  });
  await f.serve('n1', app);
  const ids = [await f.fire('go'), await f.fire('go', { by: 'n2' }), await f.fire('go')];
  const results = [];
  for (const id of ids) results.push((await f.ended(id)).event);
  t.deepEqual(
    results.map(({ Status, Reason }) => [Status, Reason]),
    [
      ['skip', `became one run with ${ids[2]} (buffer_period)`],
      ['skip', `became one run with ${ids[2]} (buffer_period)`],
      ['success', undefined],
    ],
  );
  t.deepEqual(f.starts(), ['n1 work']);
  t.is(f.ledger()[0]?.id, ids[2]);
});

test('window: outside it the event waits in the queue and holds up no other', async (t) => {
  const app = freshName('app');
  const hour = (ahead: number) =>
    `${new Date(Date.now() + ahead * 3_600_000).toISOString().slice(11, 13)}:00`;
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
events:
  later: {window: {start: '${hour(2)}', end: '${hour(6)}'}, ordered_tasks: [{service: ${app}, task: later}]}
  now: {window: {start: '${hour(-1)}', end: '${hour(2)}'}, ordered_tasks: [{service: ${app}, task: now}]}
tasks:${work('later')}${work('now')}
`,
    },
  });
  await f.serve('n1', app);
  const later = await f.fire('later');
  t.is((await f.ended(await f.fire('now'))).event.Status, 'success');
  t.deepEqual(f.starts(), ['n1 now']);
  t.not(await f.api.kvGet(`${f.prefix}event_queue/${later}`), null);
  const waiting = await f.node('n1').dispatch();
  t.true((waiting.next ?? 0) > 3_500_000 && (waiting.next ?? 0) <= 7_200_000);
  // In three hours, by this node's clock.
  await dispatch(f.node('n1').context({ now: () => Date.now() + 3 * 3_600_000 }));
  t.is((await f.ended(later)).event.Status, 'success');
  t.deepEqual(f.starts(), ['n1 now', 'n1 later']);
});
