/** An executor that is killed, paused, or loses its session; clocks apart; late callers. */
import test from 'ava';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { tick } from '../../handlers/tick.js';
import { freshName, leftoverProcesses, sharedCluster, until } from '../support/cluster.js';
import type { RunningMetronome } from '../support/metronome.js';
import { LONG } from './_chance.js';
import { shiftedClock } from './_clock.js';
import { type Passing, startProxy } from './_proxy.js';
import { makeWorld, registerServices, type Services, type World } from './_world.js';

const nodes = () => {
  const cluster = sharedCluster();
  return [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')] as const;
};
let services: Services;
test.before(async () => {
  services = await registerServices(nodes());
});

/** A task that ignores TERM and ends when the file `go` is there. */
const STUBBORN = `trap '' TERM
while [ ! -e "$PWD/go" ]; do sleep 0.1; done`;
const alive = (id: string) => leftoverProcesses(`METRONOME_EVENT_ID=${id}`);

/** An event whose first step is at work in a process on the first node. */
async function atWork(
  world: World,
  own: NodeJS.ProcessEnv = {},
): Promise<{ id: string; executor: RunningMetronome }> {
  const id = freshName('e');
  await push(world.context(world.nodes[0]), world.input(id));
  await dispatch(world.context(world.nodes[0]));
  const executor = world.start(world.nodes[0], ['execute'], { limit: 240_000, env: own });
  await until(() => world.noted().some((note) => note.id === id), 'the task to start', 30_000);
  return { id, executor };
}

const childrenOf = (pid: number) =>
  readdirSync('/proc').filter((name) => {
    try {
      return new RegExp(`\\) \\S ${pid} `).test(readFileSync(`/proc/${name}/stat`, 'latin1'));
    } catch {
      return false;
    }
  }).length;

/** The session that holds the first step's claim. */
async function holder(world: World, id: string): Promise<string | undefined> {
  return (await world.api.kvGet(`${world.prefix}inbox/${world.nodes[0].name}/${id}/0`))?.session;
}

test('a killed executor: its task ends before it is called lost, the run ends, the next event runs', async (t) => {
  t.timeout(120_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['lost_grace: 500ms', 'grace: 1s'],
    work: STUBBORN,
  });
  const { id, executor } = await atWork(world);
  executor.kill('SIGKILL');
  await executor.finished;
  t.true(alive(id).length > 0, 'the task outlives its handler for now');
  const key = `${world.prefix}progress_task_queue/${id}/0/${world.nodes[0].name}`;
  let seenLost = false;
  await until(
    async () => {
      const outcome = await world.api.kvGet(key);
      const status = outcome === null ? undefined : (JSON.parse(outcome.value) as { status: string }).status;
      const gone = await world.status(id);
      if (status === 'lost' || gone === 'error') {
        t.deepEqual(alive(id), [], 'nothing of it runs when it is lost');
        seenLost = true;
        return true;
      }
      for (const node of world.nodes) await tick(world.context(node));
      return false;
    },
    'it to be lost',
    60_000,
  );
  t.true(seenLost);
  await world.settle([id]);
  t.is(await world.status(id), 'error');
  const result = await world.result(`${id}/0/${world.nodes[0].name}`);
  t.like(result, { Status: 'error', Reason: 'lost' });
  const next = freshName('e');
  writeFileSync(join(world.folder, 'pattern/go'), '');
  await push(world.context(world.nodes[0]), world.input(next));
  await world.settle([next]);
  t.is(await world.status(next), 'success');
  t.deepEqual(await world.faults([id, next]), []);
});

test('a killed executor whose node never comes back: others call it lost after the session and lost_grace', async (t) => {
  t.timeout(120_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['lost_grace: 500ms', 'grace: 1s'],
    work: 'sleep 60',
  });
  const { id, executor } = await atWork(world);
  // A guard stands beside every task that takes longer than a moment.
  await until(() => childrenOf(executor.pid) >= 2, 'the task to have its guard');
  executor.kill('SIGKILL');
  await executor.finished;
  const other = world.context(world.nodes[1]);
  await until(
    async () => {
      await tick(other);
      return (await world.status(id)) === 'error';
    },
    'the run to end without that node',
    60_000,
    300,
  );
  t.like(await world.result(`${id}/0/${world.nodes[0].name}`), { Status: 'error', Reason: 'lost' });
  t.deepEqual(await world.open([id]), []);
  await until(() => alive(id).length === 0, 'the guard to have ended the task');
});

test('on_lost: retry runs a lost target again, after its former task is ended', async (t) => {
  t.timeout(120_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['lost_grace: 300ms', 'grace: 1s', 'on_lost: retry'],
    work: `if [ -e "$PWD/second" ]; then exec true; fi
touch "$PWD/second"
sleep 60
exit 1`,
  });
  const { id, executor } = await atWork(world);
  await until(() => existsSync(join(world.folder, 'pattern/second')), 'the work to begin');
  executor.kill('SIGKILL');
  await executor.finished;
  await world.settle([id]);
  t.is(await world.status(id), 'success');
  const first = world.noted().filter((note) => note.step === 0 && note.what === 'start');
  t.is(first.length, 2, 'the lost target ran twice, as the schedule asks');
  t.like(await world.result(`${id}/0/${world.nodes[0].name}`), { Status: 'success', Attempt: 2 });
});

test('on_lost: hold stops the run until an operator decides', async (t) => {
  t.timeout(120_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['lost_grace: 300ms', 'grace: 1s', 'on_lost: hold'],
    work: `if [ -e "$PWD/second" ]; then exec true; fi
touch "$PWD/second"
sleep 60`,
  });
  const { id, executor } = await atWork(world);
  await until(() => existsSync(join(world.folder, 'pattern/second')), 'the work to begin');
  executor.kill('SIGKILL');
  await executor.finished;
  await until(
    async () => {
      for (const node of world.nodes) await tick(world.context(node));
      const run = await world.api.kvGet(`${world.prefix}progress_task_queue/${id}/run`);
      return run?.value.includes('waiting for an operator');
    },
    'the run to be held',
    30_000,
    100,
  );
  for (let more = 0; more < 3; more += 1) for (const node of world.nodes) await tick(world.context(node));
  t.is(await world.status(id), 'inprogress');
  await world.api.kvPut(`${world.prefix}control/${id}`, JSON.stringify({ approve: { '0/hold': 2 } }));
  await world.settle([id]);
  t.is(await world.status(id), 'success');
});

test('an executor whose session ends behind its back takes its claim again, and its success stays', async (t) => {
  t.timeout(120_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['lost_grace: 30s'],
    work: 'while [ ! -e "$PWD/go" ]; do sleep 0.1; done',
  });
  const { id, executor } = await atWork(world);
  const before = (await holder(world, id)) ?? '';
  await world.api.destroySession(before);
  t.is(await holder(world, id), undefined);
  for (const node of world.nodes.slice(1)) await tick(world.context(node));
  await until(() => holder(world, id), 'the claim to be taken again', 30_000);
  t.not(await holder(world, id), before);
  writeFileSync(join(world.folder, 'pattern/go'), '');
  await executor.finished;
  await world.settle([id]);
  t.is(await world.status(id), 'success');
  t.deepEqual(await world.faults([id]), []);
});

test('a paused executor finds its claim gone: it ends its task and writes nothing over the newer result', async (t) => {
  t.timeout(180_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['lost_grace: 1s', 'grace: 1s'],
    work: STUBBORN,
  });
  const { id, executor } = await atWork(world);
  const session = (await holder(world, id)) ?? '';
  executor.kill('SIGSTOP');
  // The long form waits for the TTL; either way the session is gone and the process does not know.
  if (!LONG) await world.api.destroySession(session);
  const other = world.context(world.nodes[1]);
  await until(
    async () => {
      await tick(other);
      return (await world.status(id)) === 'error';
    },
    'others to call it lost',
    60_000,
    200,
  );
  const results = await world.api.kvTexts(`${world.prefix}results/${id}`);
  // On its own node nothing runs beside it while it is paused.
  const beside = world.start(world.nodes[0], ['execute'], { limit: 60_000 });
  executor.kill('SIGCONT');
  const ended = await executor.finished;
  t.regex(ended.stderr, /given away|no contact/);
  t.deepEqual(alive(id), [], 'its task is ended');
  t.is((await beside.finished).code, 0);
  const { [`/0/${world.nodes[0].name}/log`]: _, ...after } = await world.api.kvTexts(
    `${world.prefix}results/${id}`,
  );
  const { [`/0/${world.nodes[0].name}/log`]: __, ...before } = results;
  t.deepEqual(after, before);
  t.deepEqual(await world.open([id]), []);
  t.deepEqual(await world.faults([id]), []);
});

/** Takes half a minute: the session must end by its TTL, for a cut network ends nothing sooner. */
if (LONG)
  test('tried again after a reboot whose command failed: without contact its task ends before it is lost', async (t) => {
    t.timeout(180_000);
    const proxy = await startProxy(nodes()[0]);
    t.teardown(() => proxy.close());
    const world = await makeWorld(t, {
      nodes: nodes(),
      services,
      step: ['lost_grace: 1s', 'grace: 1s', 'retries: 1', 'retry_delay: 100ms'],
      more: `  kernel: {ordered_tasks: [{service: ${services.first}, task: kernel}]}`,
      // The second attempt begins with the mark of the first in its outcome, and stays here.
      moreTasks: `  kernel:
    operations:
      - execute: {script: 'if [ -e "$FOLDER/failed" ]; then touch "$FOLDER/again"; sleep 100; fi'}
      - reboot: {command: 'touch "$FOLDER/failed"; exit 1', timeout: 1s}`,
    });
    const text = readFileSync(world.schedule, 'utf8');
    writeFileSync(world.schedule, text.replaceAll('$FOLDER', world.folder));
    const id = freshName('e');
    const event = { ID: id, Name: 'kernel', Payload: null, LTime: 1 };
    await push(world.context(world.nodes[1]), JSON.stringify([event]));
    await dispatch(world.context(world.nodes[1]));
    const executor = world.start(world.nodes[0], ['execute'], { by: proxy, limit: 120_000 });
    await until(() => existsSync(join(world.folder, 'again')), 'the second attempt', 20_000);
    proxy.use({ before: () => 'cut' });
    await until(
      async () => {
        await tick(world.context(world.nodes[1]));
        return (await world.status(id)) === 'error';
      },
      'others to call it lost',
      60_000,
      200,
    );
    t.deepEqual(alive(id), []);
    executor.kill();
    await executor.finished;
  });

test('clocks three minutes apart: no step is skipped, timed out or lost', async (t) => {
  t.timeout(180_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['start_timeout: 60s', 'step_timeout: 90s', 'lost_grace: 10s', 'skippable: false'],
    work: 'sleep 0.5',
  });
  const clocks = [0, 180_000, -180_000].map((ms) => (ms === 0 ? {} : shiftedClock(world.folder, ms)));
  const ids = [freshName('e'), freshName('e')];
  const [first = '', second = ''] = ids;
  await world.start(world.nodes[1], ['push'], { stdin: world.input(first), env: clocks[1] ?? {} }).finished;
  await world.start(world.nodes[2], ['push'], { stdin: world.input(second), env: clocks[2] ?? {} }).finished;
  await until(
    async () => {
      const ticks = world.nodes.map(
        (node, at) => world.start(node, ['tick'], { env: clocks[at] ?? {} }).finished,
      );
      for (const { code, stderr } of await Promise.all(ticks)) t.is(code, 0, stderr);
      return (await world.open(ids)).length === 0;
    },
    'both events to end',
    120_000,
  );
  for (const id of ids) t.is(await world.status(id), 'success');
  t.deepEqual(await world.faults(ids), []);
});

test('each write of a run that has ended, sent again, changes nothing', async (t) => {
  t.timeout(120_000);
  const proxies = await Promise.all(nodes().map((node) => startProxy(node)));
  t.teardown(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))));
  const [a, b, c] = proxies;
  if (a === undefined || b === undefined || c === undefined) return t.fail();
  const world = await makeWorld(t, { nodes: [a, b, c], services });
  const writes: Passing[] = [];
  for (const proxy of proxies)
    proxy.use({
      before(passing) {
        if (passing.writes && !passing.url.includes('/session/')) writes.push(passing);
        return 'pass';
      },
    });
  const id = freshName('e');
  await push(world.context(a), world.input(id));
  await world.settle([id]);
  t.is(await world.status(id), 'success');
  const recorded = [...writes];
  t.true(recorded.length >= 10, `${recorded.length} writes`);
  const replay = async () => {
    for (const { method, url, body } of recorded)
      await fetch(`http://${nodes()[0].host}:${nodes()[0].port}${url}`, { method, body });
  };
  const dump = () => world.api.kvTree(world.prefix);
  const ended = await dump();
  await replay();
  t.deepEqual(await dump(), ended);

  // And beside a run of the same schedule that is in its middle.
  const next = freshName('e');
  await push(world.context(a), world.input(next));
  await dispatch(world.context(a));
  await execute(world.context(a));
  await execute(world.context(b));
  const middle = await dump();
  await replay();
  t.deepEqual(await dump(), middle);
  await world.settle([next]);
  t.deepEqual(await world.faults([id, next]), []);
  t.log(`${recorded.length} writes sent again`);
});
