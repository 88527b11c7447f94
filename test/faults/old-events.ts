/** Consul hands over up to 256 old events when an agent starts or reloads: none runs again. */
import test from 'ava';
import { readFileSync, writeFileSync } from 'node:fs';
import { dispatch } from '../../handlers/dispatch.js';
import { gc } from '../../handlers/gc.js';
import { push } from '../../handlers/push.js';
import { tick } from '../../handlers/tick.js';
import { dismissedIds } from '../../src/local/dismissed.js';
import { command } from '../support/project.js';
import { consulApi, freshName, sharedCluster, startCluster, until } from '../support/cluster.js';
import { makeWorld, registerServices, type Services } from './_world.js';

const nodes = () => {
  const cluster = sharedCluster();
  return [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')] as const;
};
let services: Services;
test.before(async () => {
  services = await registerServices(nodes());
});

test('old events do not run again, also after their results were removed', async (t) => {
  t.timeout(120_000);
  const world = await makeWorld(t, { nodes: nodes(), services });
  const ids = Array.from({ length: 4 }, () => freshName('e'));
  const old = Array.from({ length: 252 }, () => freshName('old'));
  await push(world.context(world.nodes[0]), world.input(...ids));
  await world.settle(ids);
  // As if these had run long ago: their ids are all that is left.
  for (const id of old)
    await world.api.kvPut(
      `${world.prefix}results/${id}`,
      JSON.stringify({ ID: id, Name: 'deploy', Status: 'success' }),
    );
  const pruned = await gc(world.context(world.nodes[0]), -1000);
  t.deepEqual([...pruned.pruned].sort(), [...ids].sort());
  t.deepEqual(
    (await world.api.kvKeys(`${world.prefix}results/`)).filter((key) =>
      ids.some((id) => key.includes(`${id}/`)),
    ),
    [],
  );
  for (const node of world.nodes) {
    const { queued, known } = await push(world.context(node), world.input(...ids, ...old));
    t.deepEqual([queued.length, known.length], [0, 256]);
  }
  await dispatch(world.context(world.nodes[1]));
  await world.settle(ids);
  t.deepEqual(await world.faults(ids), []);
  t.is(world.noted().length, ids.length * 8);
});

test('old results are removed by tick, once a day, by one node, and never more than some hundreds at a time', async (t) => {
  const world = await makeWorld(t, { nodes: nodes(), services });
  const FinishedAt = '2020-01-01T00:00:00.000Z';
  const ids = Array.from({ length: 130 }, () => freshName('old'));
  for (const ID of ids) {
    await world.api.kvPut(
      `${world.prefix}results/${ID}`,
      JSON.stringify({ ID, Name: 'deploy', Status: 'success', StartedAt: FinishedAt, FinishedAt }),
    );
    await world.api.kvPut(`${world.prefix}results/${ID}/0`, JSON.stringify({ EventID: ID, No: 0 }));
  }
  const detailed = async () =>
    (await world.api.kvKeys(`${world.prefix}results/`)).filter((key) => key.endsWith('/0')).length;
  await Promise.all(world.nodes.map((node) => tick(world.context(node))));
  t.is(await detailed(), 30, 'one go, by one node');
  await tick(world.context(world.nodes[1]));
  t.is(await detailed(), 0, 'the next tick goes on where there is more');
  // All is done for today.
  const [first = ''] = ids;
  await world.api.kvPut(`${world.prefix}results/${first}/0`, '{}');
  for (const node of world.nodes) await tick(world.context(node));
  t.is(await detailed(), 1);
  const tomorrow = world.context(world.nodes[2], {}, { now: () => Date.now() + 86_400_000 + 1000 });
  await tick(tomorrow);
  t.is(await detailed(), 0);
  t.is((await world.api.kvKeys(`${world.prefix}results/`)).length, ids.length, 'their ids stay');
});

test('a real agent that reloads hands over its old events: those that ran, and those that were dismissed, do not run', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster({ servers: 1, quick: false });
  t.teardown(() => cluster.close());
  const node = cluster.node('s1');
  const own = await registerServices([node, node, node]);
  const world = await makeWorld(t, { nodes: [node, node, node], services: own });
  const flags = ['--prefix', world.prefix, '--state-dir', world.stateDir(node), '--files', world.schedule];
  const address = `CONSUL_HTTP_ADDR=${node.host}:${node.port}`;
  const handler = `${world.folder}/called`;
  const watch = (more: string) =>
    node.configure({
      'watches.json': JSON.stringify({
        watches: [
          {
            type: 'event',
            handler_type: 'script',
            args: [
              '/bin/sh',
              '-c',
              `env ${address} '${process.execPath}' '${command}' push ${flags.join(' ')} && echo ${more} >>'${handler}'`,
            ],
          },
        ],
      }),
    });
  const calls = (what: string) => readFileSync(handler, 'utf8').includes(what);
  writeFileSync(handler, '');
  await watch('first');
  const api = consulApi(node);
  const ran = await api.fireEvent('deploy');
  const later = await api.fireEvent('later');
  const context = world.context(node);
  await until(
    async () => {
      await tick(context);
      return (await world.status(ran)) === 'success';
    },
    'the event to run',
    60_000,
    100,
  );
  await until(() => calls('first'), 'the watch to have called');
  await until(async () => (await api.events('later')).length === 1, 'the other event to have come');
  await until(() => dismissedIds(world.stateDir(node)).has(later), 'it to be dismissed', 30_000);
  // A definition for it comes later, and the agent reloads.
  writeFileSync(
    world.schedule,
    readFileSync(world.schedule, 'utf8').replace(
      'events:\n',
      `events:\n  later: {ordered_tasks: [{service: ${own.first}, task: work}]}\n`,
    ),
  );
  await watch('again');
  await until(() => calls('again'), 'the watch to hand over what the agent has', 30_000);
  await tick(context);
  t.is(await world.status(later), undefined);
  // One node is every target here: three tasks, each once.
  t.deepEqual(
    world.noted().map(({ id, step, what }) => `${id} ${step} ${what}`),
    [0, 1, 2].flatMap((step) => [`${ran} ${step} start`, `${ran} ${step} end`]),
  );
});
