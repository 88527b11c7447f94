/** serial, order, canary, run_once, quorum and when on a real Consul. */
import test from 'ava';
import { consulApi, freshName, sharedCluster, until } from '../support/cluster.js';
import { type Entry, fleet } from '../support/fleet.js';
import { gateOf, go, runOf, say, waitFor, work } from './_tasks.js';

/** Nodes that were at work together, group after group: a group ends when nobody is at work. */
function groups(ledger: readonly Entry[], id: string): string[][] {
  const found: string[][] = [[]];
  let busy = 0;
  for (const { node, what } of ledger.filter((entry) => entry.id === id)) {
    busy += what === 'start' ? 1 : -1;
    if (what === 'start') found.at(-1)?.push(node);
    if (busy === 0) found.push([]);
  }
  return found.slice(0, -1).map((group) => group.toSorted());
}

/** How many were at work at once at the most. */
function most(ledger: readonly Entry[], id: string): number {
  let busy = 0;
  return Math.max(
    ...ledger.filter((entry) => entry.id === id).map(({ what }) => (busy += what === 'start' ? 1 : -1)),
  );
}

const NODES = ['n1', 'n2', 'n3', 'n4'];

test('serial: a number, a percentage and a list make batches, in the step’s order', async (t) => {
  const app = freshName('app');
  const step = (keys: string) => `{ordered_tasks: [{service: ${app}, task: work, ${keys}}]}`;
  const f = fleet(t, {
    nodes: NODES,
    files: {
      web: `
events:
  number: ${step('serial: 1')}
  percent: ${step('serial: 50%')}
  list: ${step('serial: [1, 75%], order: reverse_sorted')}
  shuffled: ${step('serial: 1, order: shuffle')}
tasks:${work('work', 'sleep 0.05')}
`,
    },
  });
  for (const name of NODES) await f.serve(name, app);
  const ids: Record<string, string> = {};
  for (const event of ['number', 'percent', 'list', 'shuffled']) ids[event] = await f.fire(event);
  for (const id of Object.values(ids)) t.is((await f.ended(id)).event.Status, 'success');
  const ledger = f.ledger();
  const of = (event: string) => ids[event] ?? '';
  t.deepEqual(groups(ledger, of('number')), [['n1'], ['n2'], ['n3'], ['n4']]);
  t.true(most(ledger, of('percent')) <= 2);
  const percent = ledger.filter(({ id, what }) => id === of('percent') && what === 'start');
  t.deepEqual(
    percent
      .slice(0, 2)
      .map(({ node }) => node)
      .toSorted(),
    ['n1', 'n2'],
  );
  const list = ledger.filter(({ id }) => id === of('list')).map(({ node, what }) => `${node} ${what}`);
  t.deepEqual(list.slice(0, 2), ['n4 start', 'n4 end']);
  t.is(list.length, 8);
  t.deepEqual(groups(ledger, of('shuffled')).flat().toSorted(), NODES);
  t.is(most(ledger, of('shuffled')), 1);
});

test('serial: a node that joins goes to a later batch, and a pause holds the next one', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2', 'n3'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work, serial: 1}]}}
tasks:${work('work', waitFor('$METRONOME_NODE'))}
`,
    },
  });
  await f.serve('n2', app);
  await f.serve('n3', app);
  const id = await f.fire('go');
  const ended = f.ended(id);
  await until(() => f.starts().length === 1, 'n2 to start', 20_000);
  // It comes first in the order, and the batch is full.
  await f.serve('n1', app);
  await say(f, id, { pause: true });
  go(f, 'n2');
  await gateOf(f, id, /^paused$/);
  t.deepEqual(f.starts(), ['n2 work']);
  for (const name of ['n1', 'n3']) go(f, name);
  await say(f, id, { pause: false });
  t.is((await ended).event.Status, 'success');
  t.deepEqual(groups(f.ledger(), id), [['n2'], ['n1'], ['n3']]);
  t.deepEqual(await f.left(), []);
});

test('canary with approve: one first, the rest when an operator says so', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2', 'n3'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work, canary: 1, approve: true, step_timeout: 30s}]}}
tasks:${work('work')}
`,
    },
  });
  for (const { name } of f.nodes) await f.serve(name, app);
  const id = await f.fire('go');
  const ended = f.ended(id);
  await gateOf(f, id, /^canary done: waiting for approval$/);
  t.deepEqual(f.starts(), ['n1 work']);
  await say(f, id, { approve: { 0: 1 } });
  t.is((await ended).event.Status, 'success');
  t.deepEqual(f.starts().toSorted(), ['n1 work', 'n2 work', 'n3 work']);
});

test('a canary that fails ends the step, whatever share may fail', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2', 'n3'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work, canary: 1, approve: true, max_fail_percentage: 90}]}}
tasks:${work('work', 'exit 1')}
`,
    },
  });
  for (const { name } of f.nodes) await f.serve(name, app);
  const { event } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'error');
  t.regex(event.Reason ?? '', /^step 0 work: n1: .*exited with 1; 2 not started$/);
  t.deepEqual(f.starts(), ['n1 work']);
});

test('run_once takes one target and keeps to it; quorum says why a step does not start', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2', 'n3'],
    files: {
      web: `
events:
  once: {ordered_tasks: [{service: ${app}, task: once, run_once: true, order: reverse_sorted}]}
  enough: {ordered_tasks: [{service: ${app}, task: work, quorum: 3}]}
  few: {ordered_tasks: [{service: ${app}, task: work, quorum: 4, start_timeout: 200ms}]}
tasks:${work('once')}${work('work')}
`,
    },
  });
  for (const { name } of f.nodes) await f.serve(name, app);
  t.is((await f.ended(await f.fire('once'))).event.Status, 'success');
  t.deepEqual(f.starts(), ['n3 once']);
  t.is((await f.ended(await f.fire('enough'))).event.Status, 'success');
  t.is(f.starts().length, 4);
  const { event, nodes } = await f.ended(await f.fire('few'));
  t.is(event.Status, 'error');
  t.regex(event.Reason ?? '', /quorum: 3 of 4 nodes with service \S+ present after 200 ms/);
  t.deepEqual(nodes, []);
  t.is(f.starts().length, 4);
});

/** Some meta data that all of these nodes have: agents tell it to the catalog a while after they have joined. */
async function nodeMeta(nodes: readonly string[]): Promise<readonly [string, string]> {
  const api = consulApi(sharedCluster().node('n1'));
  return until(async () => {
    const metas: Readonly<Record<string, string>>[] = [];
    for (const name of nodes) {
      const { Node } = await api.request<{ Node: { Meta: Record<string, string> | null } }>(
        'GET',
        `catalog/node/${name}`,
      );
      metas.push(Node.Meta ?? {});
    }
    return Object.entries(metas[0] ?? {}).find(([name, text]) => metas.every((meta) => meta[name] === text));
  }, 'meta data of the nodes');
}

test('when: variables on the node, tags, meta and earlier steps leave targets and steps out', async (t) => {
  const app = freshName('app');
  const [key, value] = await nodeMeta(['n1', 'n2']);
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
variables: {place: '{{room}}'}
events:
  go:
    ordered_tasks:
      - {service: ${app}, task: by_variable, when: {variables: {place: [west, east]}}}
      - {service: ${app}, task: by_tag, when: {tags: blue}}
      - {service: ${app}, task: by_meta, when: {meta: {'${key}': '${value}'}}}
      - {service: ${app}, task: never, when: {meta: {no_such_key: east}}}
      - {service: ${app}, task: after_skip, when: {steps: {never: skip}}}
      - {service: ${app}, task: not_after_skip, when: {steps: {never: [success, error]}}}
      - {service: ${app}, task: nobody, when: {variables: {place: south}}}
tasks:${['by_variable', 'by_tag', 'by_meta', 'never', 'after_skip', 'not_after_skip', 'nobody'].map((name) => work(name)).join('')}
`,
    },
    config: (name) => ({ variables: { room: name === 'n1' ? 'east' : 'north' } }),
  });
  await f.serve('n1', app);
  await f.serve('n2', app, ['blue']);
  const { event, steps, nodes } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'success');
  t.deepEqual(f.starts().toSorted(), [
    'n1 after_skip',
    'n1 by_meta',
    'n1 by_variable',
    'n2 after_skip',
    'n2 by_meta',
    'n2 by_tag',
  ]);
  t.deepEqual(
    steps.map(({ Name, Status, Reason }) => [Name, Status, Reason]),
    [
      ['by_variable', 'success', undefined],
      ['by_tag', 'success', undefined],
      ['by_meta', 'success', undefined],
      ['never', 'skip', 'when: meta no_such_key is not set'],
      ['after_skip', 'success', undefined],
      ['not_after_skip', 'skip', 'when: step never ended skip, not success or error'],
      ['nobody', 'skip', 'skipped on all its targets'],
    ],
  );
  // A variable is judged on the node, which says so.
  const left = nodes.find(({ No, Node }) => No === 0 && Node === 'n2');
  t.like(left, { Status: 'skip', Reason: 'when: variable place is north' });
  t.is(await runOf(f, event.ID), undefined);
});
