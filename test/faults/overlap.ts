/** Many handlers on one node at once: one runs, one waits, the others leave; no wake-up is lost. */
import test from 'ava';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { takeTurn } from '../../src/local/lock.js';
import { freshName, sharedCluster, until } from '../support/cluster.js';
import { tempFolder } from '../support/metronome.js';
import { chance, LONG } from './_chance.js';
import { makeWorld, registerServices, type Services } from './_world.js';

const nodes = () => {
  const cluster = sharedCluster();
  return [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')] as const;
};
let services: Services;
test.before(async () => {
  services = await registerServices(nodes());
});

test('of many execute and tick processes one runs and one waits, the others leave', async (t) => {
  t.timeout(300_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    // Fifty processes may leave the one at work without a moment for Consul.
    step: ['lost_grace: 120s'],
    work: 'while [ ! -e "$PWD/go" ]; do sleep 0.1; done',
  });
  const id = freshName('e');
  await push(world.context(world.nodes[0]), world.input(id));
  await dispatch(world.context(world.nodes[0]));
  const many = Array.from({ length: LONG ? 50 : 12 }, (_, at) =>
    world.start(world.nodes[0], [at % 2 === 0 ? 'execute' : 'tick'], { limit: 240_000 }),
  );
  const open = new Set(many);
  const results = many.map(async (one) => {
    const result = await one.finished;
    open.delete(one);
    return result;
  });
  await until(() => world.noted().length > 0, 'the task to start', 60_000);
  await until(() => open.size <= 2, 'all but two to leave', 120_000);
  t.is(open.size, 2, 'one runs and one waits');
  writeFileSync(join(world.folder, 'pattern/go'), '');
  for (const result of await Promise.all(results)) t.is(result.code, 0, result.stderr);
  await world.settle([id]);
  t.deepEqual(await world.faults([id]), []);
  t.is(await world.status(id), 'success');
});

test('a wake-up that meets a handler on its way out is not lost', async (t) => {
  t.timeout(300_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    more: `  note:
    concurrency: {group: notes, limit: 64}
    ordered_tasks:
      - {service: ${services.first}, task: note}`,
    moreTasks: `  note:
    operations:
      - echo: noted`,
  });
  const [node] = world.nodes;
  const context = world.context(node);
  const { whole } = chance('wake-up');
  const assignOne = async () => {
    const id = freshName('e');
    await push(context, JSON.stringify([{ ID: id, Name: 'note' }]));
    await dispatch(context);
  };
  const inbox = async () =>
    (await world.api.kvKeys(`${world.prefix}inbox/${node.name}/`)).filter((key) => !key.endsWith('.keep'));
  for (let round = 0; round < (LONG ? 100 : 25); round += 1) {
    await assignOne();
    // As watches do: each call is a wake-up for what was assigned just before it.
    const calls = [execute(context)];
    for (let more = 0; more < 3; more += 1) {
      await sleep(whole(25));
      await assignOne();
      calls.push(execute(context));
    }
    await Promise.all(calls);
    t.deepEqual(await inbox(), [], `left after round ${round}`);
  }
});

test('what is added before a turn is asked for is seen by whoever has it after that', async (t) => {
  const stateDir = tempFolder(t);
  const { whole } = chance('turns');
  let added = 0;
  let seen = 0;
  let running = 0;
  const handler = async () => {
    const turn = await takeTurn(stateDir);
    if (turn.kind === 'busy') return;
    running += 1;
    t.is(running, 1, 'one at a time');
    seen = added;
    await sleep(whole(4));
    running -= 1;
    await turn.held.release();
  };
  for (let round = 0; round < (LONG ? 150 : 60); round += 1) {
    const calls: Promise<void>[] = [];
    for (let one = 0; one < 5; one += 1) {
      added += 1;
      calls.push(handler());
      await sleep(whole(6));
    }
    await Promise.all(calls);
    t.is(seen, added, `round ${round}`);
  }
});

test('a lock is free when it is released, also after somebody waited for it', async (t) => {
  const stateDir = tempFolder(t);
  const first = await takeTurn(stateDir);
  if (first.kind === 'busy') return t.fail();
  const second = takeTurn(stateDir);
  await sleep(100);
  t.is((await takeTurn(stateDir)).kind, 'busy', 'one waits already');
  await first.held.release();
  const turn = await second;
  if (turn.kind === 'busy') return t.fail();
  // The waiter gave its place back, and nothing else with it.
  t.deepEqual(locks(stateDir), ['execute.lock']);
  t.true(await stays(() => locks(stateDir).length === 1));
  await turn.held.release();
  t.deepEqual(locks(stateDir), []);
});

test('a handler that stood still lets go of its lock all the same', async (t) => {
  const stateDir = tempFolder(t);
  const turn = await takeTurn(stateDir);
  if (turn.kind === 'busy') return t.fail();
  // What proper-lockfile finds when the machine had no time for us: it gives the lock up.
  utimesSync(join(stateDir, 'execute.lock'), 1, 1);
  await sleep(2000);
  await turn.held.release();
  t.deepEqual(locks(stateDir), []);
});

const locks = (stateDir: string) => readdirSync(stateDir).filter((name) => name.endsWith('.lock'));

async function stays(condition: () => boolean): Promise<boolean> {
  for (let look = 0; look < 10; look += 1) {
    if (!condition()) return false;
    await sleep(20);
  }
  return true;
}
