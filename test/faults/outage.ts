/** Consul goes away and comes back while a task runs: the task goes on, its result arrives, nothing runs twice. */
import test from 'ava';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dispatch } from '../../handlers/dispatch.js';
import { push } from '../../handlers/push.js';
import { type Cluster, consulApi, freshName, startCluster, until } from '../support/cluster.js';
import type { RunningMetronome } from '../support/metronome.js';
import { LONG } from './_chance.js';
import { makeWorld, registerServices, type Services, type World, type WorldOptions } from './_world.js';

let cluster: Cluster;
let services: Services;
const nodes = (): WorldOptions['nodes'] => [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')];

test.before(async () => {
  cluster = await startCluster({ servers: 3, clients: 3 });
  services = await registerServices(nodes());
});
test.after.always(() => cluster?.close());

async function worldWith(t: Parameters<typeof makeWorld>[0], work: string): Promise<World> {
  return makeWorld(t, { nodes: nodes(), services, step: ['lost_grace: 60s'], work });
}

const UNTIL_GO = `case $METRONOME_STEP in 0)
  touch "$PWD/begun-$METRONOME_EVENT_ID"
  while [ ! -e "$PWD/go" ]; do sleep 0.1; done;;
esac`;

async function atWork(world: World): Promise<{ id: string; executor: RunningMetronome }> {
  const id = freshName('e');
  await push(world.context(world.nodes[0]), world.input(id));
  await dispatch(world.context(world.nodes[0]));
  const executor = world.start(world.nodes[0], ['execute'], { limit: 240_000 });
  await until(() => existsSync(join(world.folder, `pattern/begun-${id}`)), 'the task to start', 30_000);
  return { id, executor };
}

const go = (world: World) => writeFileSync(join(world.folder, 'pattern/go'), '');

test.serial('the task restarts the agent of its own node', async (t) => {
  t.timeout(120_000);
  const agent = cluster.node('n1');
  const world = await worldWith(
    t,
    `case $METRONOME_STEP in 0)
  kill ${agent.pid}
  touch "$PWD/begun-$METRONOME_EVENT_ID"
  while [ ! -e "$PWD/go" ]; do sleep 0.1; done;;
esac`,
  );
  const { id, executor } = await atWork(world);
  await until(() => !agent.running, 'the agent to end');
  // The task is over before the agent is back: its result must wait for it.
  go(world);
  await sleep(1000);
  await agent.start();
  const { code, stderr } = await executor.finished;
  t.is(code, 0, stderr);
  await world.settle([id]);
  t.is(await world.status(id), 'success', stderr);
  t.deepEqual(await world.faults([id]), []);
});

test.serial('the leader is killed while a task runs', async (t) => {
  t.timeout(120_000);
  const world = await worldWith(t, UNTIL_GO);
  const { id, executor } = await atWork(world);
  const address = await consulApi(cluster.node('n1')).leader();
  const leader = cluster.servers.find((server) => address.endsWith(`:${server.plan.ports.server}`));
  if (leader === undefined) return t.fail(`no server at ${address}`);
  await leader.kill();
  go(world);
  const { code, stderr } = await executor.finished;
  t.is(code, 0, stderr);
  await leader.start();
  await cluster.ready();
  await world.settle([id]);
  t.is(await world.status(id), 'success', stderr);
  t.deepEqual(await world.faults([id]), []);
});

test.serial(
  'all servers are away while a task runs; a push meanwhile is kept and queued by the next tick',
  async (t) => {
    t.timeout(180_000);
    const world = await worldWith(t, UNTIL_GO);
    const { id, executor } = await atWork(world);
    await Promise.all(cluster.servers.map((server) => server.kill()));
    const since = performance.now();
    const late = freshName('e');
    const kept = await world.start(world.nodes[1], ['push'], { stdin: world.input(late) }).finished;
    t.is(kept.code, 3, kept.stderr);
    t.regex(kept.stderr, /kept in the spool/);
    const spool = join(world.stateDir(world.nodes[1]), 'spool');
    t.deepEqual(readdirSync(spool), [`${late}.json`]);
    // Somebody's hand, or a full disk: set aside with one line, and the rest goes on.
    writeFileSync(join(spool, 'half.json'), readFileSync(join(spool, `${late}.json`), 'utf8').slice(0, 30));
    writeFileSync(join(spool, 'none.json'), 'no JSON');
    go(world);
    if (LONG) await sleep(Math.max(0, 30_000 - (performance.now() - since)));
    await Promise.all(cluster.servers.map((server) => server.start()));
    await cluster.ready(60_000);
    const { code, stderr } = await executor.finished;
    t.is(code, 0, stderr);
    const ticked = await world.start(world.nodes[1], ['tick']).finished;
    t.is(ticked.code, 0, ticked.stderr);
    t.is(ticked.stderr.match(/set aside as/g)?.length, 2, ticked.stderr);
    t.deepEqual(readdirSync(spool).sort(), ['half.json.bad', 'none.json.bad']);
    await world.settle([id, late]);
    t.is(await world.status(id), 'success', stderr);
    t.is(await world.status(late), 'success');
    t.deepEqual(await world.faults([id, late]), []);
  },
);

test.serial('the agent leaves the cluster and joins it again while a task runs', async (t) => {
  t.timeout(120_000);
  const agent = cluster.node('n1');
  const world = await worldWith(t, UNTIL_GO);
  const { id, executor } = await atWork(world);
  await agent.leave();
  await agent.start();
  await cluster.ready();
  go(world);
  const { code, stderr } = await executor.finished;
  t.is(code, 0, stderr);
  await world.settle([id]);
  t.is(await world.status(id), 'success', stderr);
  t.deepEqual(await world.faults([id]), []);
});
