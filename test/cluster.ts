import test from 'ava';
import { existsSync, readFileSync } from 'node:fs';
import {
  consulApi,
  deregister,
  freshName,
  freshPrefix,
  leftoverProcesses,
  registerService,
  sharedCluster,
  startCluster,
  until,
} from './support/cluster.js';
import { countsOf, summary } from './support/counts.js';

test('the shared cluster answers on every node, and keys are the same on all of them', async (t) => {
  const { nodes, node } = sharedCluster();
  t.deepEqual(
    nodes.map(({ name }) => name),
    ['s1', 'n1', 'n2', 'n3', 'n4'],
  );
  const prefix = freshPrefix(t);
  t.true(await consulApi(node('n1')).kvPut(`${prefix}a/b`, 'grüße'));
  t.is((await consulApi(node('n4')).kvGet(`${prefix}a/b`))?.value, 'grüße');
  t.deepEqual(await consulApi(node('s1')).kvTexts(prefix), { 'a/b': 'grüße' });
  t.is(await consulApi(node('s1')).kvGet(`${prefix}none`), null);
});

test('a transaction that conflicts says so and writes nothing', async (t) => {
  const api = consulApi(sharedCluster().node('n2'));
  const prefix = freshPrefix(t);
  await api.kvPut(`${prefix}a`, '1');
  const answer = await api.txn([
    { KV: { Verb: 'set', Key: `${prefix}b`, Value: '2' } },
    { KV: { Verb: 'check-not-exists', Key: `${prefix}a` } },
  ]);
  t.false(answer.ok);
  t.is(answer.errors[0]?.OpIndex, 1);
  t.deepEqual(await api.kvKeys(prefix), [`${prefix}a`]);
});

test('a registered service stands in the catalog, and is gone when deregistered', async (t) => {
  const node = sharedCluster().node('n3');
  const name = freshName('db');
  const id = await registerService(node, { name, tags: ['primary'], port: 5432 });
  t.deepEqual(
    (await consulApi(node).service(name, 'primary')).map(({ Node }) => Node),
    ['n3'],
  );
  await deregister(node, id);
  await until(async () => (await consulApi(node).service(name)).length === 0, `${name} to leave the catalog`);
  t.pass();
});

test('an agent of an own cluster dies, is seen to be dead, and comes back with its data', async (t) => {
  const cluster = await startCluster({ servers: 1, clients: 2 });
  t.teardown(() => cluster.close());
  const [s1, n2] = [cluster.node('s1'), cluster.node('n2')];
  await consulApi(n2).kvPut('kept', 'yes');
  await n2.kill();
  t.is(n2.pid, 0);
  await until(async () => (await consulApi(s1).members()).n2 === 'critical', 'n2 to be seen dead', 8000);
  await n2.start();
  await until(async () => (await consulApi(s1).members()).n2 === 'passing', 'n2 to be back');
  await s1.restart();
  await until(async () => (await consulApi(n2).kvGet('kept'))?.value === 'yes', 'the data after a restart');
  n2.pause();
  const asked = fetch(`http://${n2.host}:${n2.port}/v1/status/leader`, { signal: AbortSignal.timeout(200) });
  t.is(
    await asked.then(
      () => 'answered',
      () => 'silent',
    ),
    'silent',
  );
  n2.resume();
  await n2.ready();
  t.pass();
});

test('with ACLs nobody gets in without the token', async (t) => {
  const cluster = await startCluster({ servers: 1, acl: true });
  t.teardown(() => cluster.close());
  const node = cluster.node('s1');
  t.true(await consulApi(node).kvPut('a', '1'));
  await t.throwsAsync(consulApi({ name: 's1', host: node.host, port: node.port }).kvPut('a', '2'), {
    message: /403/,
  });
});

test('what a cluster started is gone after close, whatever it was', async (t) => {
  const cluster = await startCluster({
    servers: 1,
    config: { watches: [{ type: 'event', handler_type: 'script', args: ['sh', '-c', 'setsid sleep 300'] }] },
  });
  await consulApi(cluster.node('s1')).fireEvent('start');
  const sleeper = await until(
    () => cluster.leftovers().find(({ command }) => command.startsWith('sleep')),
    'the watch to start its handler',
  );
  const pids = [sleeper.pid, cluster.node('s1').pid];
  await cluster.close();
  t.false(existsSync(cluster.dir));
  for (const pid of pids)
    t.false(existsSync(`/proc/${pid}`) && !isZombie(pid), `process ${pid} is still there`);
  t.deepEqual(leftoverProcesses(Object.values(cluster.env).join()), []);
});

/** Dead, but its parent has not asked yet. */
function isZombie(pid: number): boolean {
  return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
}

test('the last line counts what ava counted', (t) => {
  const good =
    '\n  ✔ a › one\n  ✔ a › two (1.2s)\n  - [skip] a › three\n  ─\n\n  2 tests passed\n  1 test skipped\n';
  t.is(summary(countsOf(good, true)), '2 passed, 0 failed, 1 skipped');
  const bad = '\n  ✔ a › one\n  ✘ [fail]: a › two Error\n  ─\n\n  1 test failed\n';
  t.is(summary(countsOf(bad, false)), '1 passed, 1 failed');
  t.is(summary(countsOf('\n  ✘ No tests found in x.js\n', false)), '0 passed, 1 failed');
});
