/** A step of 400 targets, one of which is killed over it: the others go on, and none runs twice. */
import test from 'ava';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { tick } from '../../handlers/tick.js';
import { readResults } from '../../src/store/history.js';
import { consulApi, freshName, startCluster, until } from '../support/cluster.js';
import { LONG } from './_chance.js';
import { makeWorld } from './_world.js';

test('a step of 400 targets with one that dies', async (t) => {
  t.timeout(900_000);
  if (!LONG) {
    t.log(
      'in the long form only: it waits for a session to expire, twice (test/handlers/wide.ts has 200 targets)',
    );
    return t.pass();
  }
  const count = 400;
  const cluster = await startCluster({ servers: 1, quick: false });
  t.teardown(() => cluster.close());
  const server = cluster.node('s1');
  const service = freshName('wide');
  const nodes = Array.from({ length: count }, (_, at) => ({
    name: `w${at + 1}`,
    host: server.host,
    port: server.port,
  }));
  const api = consulApi(server);
  for (const { name } of nodes)
    await api.request('PUT', 'catalog/register', {
      body: { Node: name, Address: '127.0.0.1', Service: { Service: service } },
    });
  const services = { first: service, middle: service, last: service };
  const [first, second, third] = nodes;
  if (first === undefined || second === undefined || third === undefined) return t.fail();
  const world = await makeWorld(t, {
    nodes: [first, second, third],
    services,
    step: ['lost_grace: 500ms', 'max_fail_percentage: 10'],
    more: `  wide:
    ordered_tasks: [{service: ${service}, task: say}, {service: ${service}, task: say}]`,
    moreTasks: `  say:
    operations:
      - execute: {script: '[ $METRONOME_NODE != w1 ] || sleep 600'}`,
  });
  const id = freshName('e');
  await push(world.context(second), JSON.stringify([{ ID: id, Name: 'wide' }]));
  await dispatch(world.context(second));
  t.is((await api.kvKeys(`${world.prefix}inbox/`)).filter((key) => key.includes(id)).length, count);
  const victim = world.start(first, ['execute', '--node', 'w1']);
  const step = async () => {
    for (let at = 1; at < count; at += 20)
      await Promise.all(nodes.slice(at, at + 20).map((node) => execute(world.context(node))));
  };
  await until(
    () => api.kvGet(`${world.prefix}progress_task_queue/${id}/0/w1`),
    'the first node to begin',
    30_000,
  );
  await step();
  t.is(
    (await readResults(world.context(second).client, id)).steps.length,
    1,
    'the second step waits for all',
  );
  victim.kill('SIGKILL');
  await victim.finished;
  await until(
    async () => {
      await tick(world.context(second));
      return (await readResults(world.context(second).client, id)).steps.length === 2;
    },
    'the second step to begin',
    90_000,
    200,
  );
  await step();
  const again = world.start(first, ['execute', '--node', 'w1']);
  await until(
    () => api.kvGet(`${world.prefix}progress_task_queue/${id}/1/w1`),
    'the first node to begin again',
    30_000,
  );
  again.kill('SIGKILL');
  await again.finished;
  await until(
    async () => {
      await tick(world.context(second));
      return (await world.status(id)) === 'success';
    },
    'the event to end',
    90_000,
    200,
  );
  const { nodes: results } = await readResults(world.context(second).client, id);
  t.is(results.length, 2 * count);
  t.deepEqual(
    results
      .filter(({ Status }) => Status !== 'success')
      .map(({ Node, No, Reason }) => `${Node} ${No} ${Reason}`),
    ['w1 0 lost', 'w1 1 lost'],
  );
  t.deepEqual(await world.open([id]), []);
});
