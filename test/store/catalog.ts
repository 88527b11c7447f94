/** candidates, passing and the services of an agent and of the catalog. Deaths and empty catalogs need a cluster of their own. */
import test, { type ExecutionContext } from 'ava';
import { openClient } from '../../src/store/client.js';
import {
  agentName,
  agentServices,
  candidates,
  catalogServices,
  METRONOME_SERVICE,
  passing,
} from '../../src/store/catalog.js';
import type { Candidate } from '../../src/run/types.js';
import {
  type Address,
  consulApi,
  deregister,
  freshName,
  registerService,
  sharedCluster,
  startCluster,
  until,
} from '../support/cluster.js';
import { testConfig } from '../support/config.js';

const cluster = sharedCluster();

function clientOn(t: ExecutionContext, node: Address) {
  const client = openClient(testConfig(node, { prefix: 'none/', stateDir: '/nonexistent' }));
  t.teardown(() => client.close());
  return client;
}

async function serve(
  t: ExecutionContext,
  node: Address,
  service: Parameters<typeof registerService>[1],
): Promise<string> {
  const id = await registerService(node, service);
  t.teardown(() => deregister(node, id).catch(() => undefined));
  return id;
}

const noWarning = (t: ExecutionContext) => (text: string) => t.fail(text);
const byName = (found: readonly Candidate[]) => found.toSorted((a, b) => (a.node < b.node ? -1 : 1));

test('candidates: the nodes of a service, with and without a tag', async (t) => {
  const name = freshName('db "ü"');
  await serve(t, cluster.node('n1'), { name, tags: ['primary', 'x y'] });
  await serve(t, cluster.node('n2'), { name, tags: ['standby'] });
  await serve(t, cluster.node('n3'), { name: `${name}0`, tags: ['primary'] });
  const client = clientOn(t, cluster.node('n4'));
  await until(async () => (await candidates(client, { service: name }, noWarning(t))).length === 2, 'both');
  t.deepEqual(
    byName(await candidates(client, { service: name }, noWarning(t))).map(({ meta: _, ...one }) => one),
    [
      { node: 'n1', alive: true, passing: true, tags: ['primary', 'x y'] },
      { node: 'n2', alive: true, passing: true, tags: ['standby'] },
    ],
  );
  for (const tag of ['primary', 'x y'])
    t.deepEqual(
      (await candidates(client, { service: name, tag }, noWarning(t))).map(({ node }) => node),
      ['n1'],
    );
  t.deepEqual(await candidates(client, { service: name, tag: 'prim' }, noWarning(t)), []);
  t.deepEqual(await candidates(client, { service: freshName() }, noWarning(t)), []);
});

test('candidates: several instances on one node are one target; one that fails makes it fail', async (t) => {
  const name = freshName('app');
  const node = cluster.node('n1');
  await serve(t, node, { name, id: `${name}-1`, tags: ['blue'], check: { TTL: '60s', Status: 'passing' } });
  await serve(t, node, { name, id: `${name}-2`, tags: ['green'], check: { TTL: '60s', Status: 'passing' } });
  const client = clientOn(t, cluster.node('n2'));
  const [both, ...more] = await candidates(client, { service: name }, noWarning(t));
  t.deepEqual(more, []);
  t.like(both, { node: 'n1', alive: true, passing: true });
  t.deepEqual(both?.tags.toSorted(), ['blue', 'green']);
  t.deepEqual(await passing(client, name), { passing: 2, all: 2 });
  await consulApi(node).request('PUT', `agent/check/fail/service:${name}-2`);
  await until(async () => (await passing(client, name)).passing === 1, 'the catalog to know of the failure');
  t.like((await candidates(client, { service: name }, noWarning(t)))[0], { alive: true, passing: false });
  t.like((await candidates(client, { service: name, tag: 'blue' }, noWarning(t)))[0], { passing: true });
  t.deepEqual(await passing(client, name, 'green'), { passing: 0, all: 1 });
  t.deepEqual(await passing(client, name, 'none'), { passing: 0, all: 0 });
  // A warning is no passing either.
  await consulApi(node).request('PUT', `agent/check/warn/service:${name}-2`);
  t.deepEqual(await passing(client, name), { passing: 1, all: 2 });
});

test('the agent tells its name; its services are compared with those of the catalog', async (t) => {
  const node = cluster.node('n3');
  const client = clientOn(t, node);
  t.is(await agentName(client), 'n3');
  const name = freshName('svc');
  await serve(t, node, { name, id: `${name}-1`, tags: ['b', 'a'] });
  const mine = `${name}-1 ${name} a,b`;
  t.true((await agentServices(client)).includes(mine));
  await until(async () => (await catalogServices(client, 'n3'))?.includes(mine), 'the catalog to have it');
  t.false((await catalogServices(client, 'n1'))?.includes(mine));
  t.is(await catalogServices(client, 'no-such-node'), undefined);
  const services = await agentServices(client);
  t.deepEqual(services, services.toSorted());
});

test('a step without a service, dead agents and names that are none', async (t) => {
  const own = await startCluster({ servers: 1, clients: 2, nodeMeta: { n1: { rack: 'a b' } } });
  t.teardown(() => own.close());
  const [s1, n1, n2] = [own.node('s1'), own.node('n1'), own.node('n2')];
  const client = clientOn(t, s1);
  const all = async (step = {}) => byName(await candidates(client, step, noWarning(t)));

  // No node has metronome's service: all of them.
  const every = await all();
  t.deepEqual(
    every.map(({ node, alive, passing: passes, tags }) => ({ node, alive, passes, tags })),
    ['n1', 'n2', 's1'].map((node) => ({ node, alive: true, passes: true, tags: [] })),
  );
  // An agent hands in what is said of its node a little after its name.
  await until(async () => (await all())[0]?.meta.rack === 'a b', "n1's meta data to stand in the catalog");
  // A tag without a service says nothing.
  t.is((await all({ tag: 'primary' })).length, 3);

  await registerService(n1, { name: METRONOME_SERVICE, tags: ['x'] });
  await registerService(n2, { name: METRONOME_SERVICE });
  await registerService(n2, { name: 'db', tags: ['primary'] });
  t.deepEqual(
    (await all({ tag: 'none' })).map(({ node }) => node),
    ['n1', 'n2'],
  );
  t.is((await all({ service: 'db' }))[0]?.meta.rack, undefined);

  await n2.kill();
  await until(async () => (await all()).some(({ alive }) => !alive), 'n2 to be seen dead', 30_000);
  t.deepEqual(
    (await all()).map(({ node, alive }) => [node, alive]),
    [
      ['n1', true],
      ['n2', false],
    ],
  );
  t.deepEqual(
    (await all({ service: 'db', tag: 'primary' })).map(({ node, alive, passing: passes }) => [
      node,
      alive,
      passes,
    ]),
    [['n2', false, false]],
  );
  t.deepEqual(await passing(client, 'db'), { passing: 0, all: 1 });

  // All nodes again, one of them dead.
  await deregister(n1, METRONOME_SERVICE);
  await consulApi(s1).request('PUT', 'catalog/deregister', {
    body: { Node: 'n2', ServiceID: METRONOME_SERVICE },
  });
  await until(async () => (await all()).length === 3, 'no node with the service');
  t.deepEqual(
    (await all()).map(({ node, alive, passing: passes }) => [node, alive, passes]),
    [
      ['n1', true, true],
      ['n2', false, false],
      ['s1', true, true],
    ],
  );

  // Names that could not be part of a key; a node outside Consul has no serfHealth and counts as alive.
  for (const Node of ['a/b', '..', 'ok-node', 'x\ny'])
    await consulApi(s1)
      .request('PUT', 'catalog/register', {
        body: { Node, Address: '127.0.0.1', Service: { Service: 'db', Tags: ['odd'] } },
      })
      .catch(() => t.log(`Consul itself refuses the node ${JSON.stringify(Node)}`));
  const warnings: string[] = [];
  const odd = await candidates(client, { service: 'db', tag: 'odd' }, (text) => warnings.push(text));
  t.deepEqual(
    odd.map(({ node, alive }) => [node, alive]),
    [['ok-node', true]],
  );
  t.true(warnings.length >= 2);
  for (const text of warnings) t.regex(text, /^a node of the catalog is left out: its name (has|is) /);
});
