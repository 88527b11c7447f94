/**
 * Killed at each request as in crash-points.ts, over what has more to it than an order: a task that reboots its
 * machine, events that are merged into one run, batches with a rescue behind them.
 * No machine reboots here: the command is a stand-in that changes the file which METRONOME_BOOT_ID_FILE names and ends
 * the handler, as a shutdown does.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { setTimeout as sleep } from 'node:timers/promises';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { dismissQueued, readQueue } from '../../src/store/queue.js';
import { freshName, sharedCluster } from '../support/cluster.js';
import { LONG } from './_chance.js';
import { killedAt } from './_crash.js';
import { type Proxy, startProxy, type Verdict } from './_proxy.js';
import { makeWorld, registerServices, type Services, type World } from './_world.js';

interface Sweep {
  /** On which of the three nodes the handler is killed. */
  readonly on: 0 | 1 | 2;
  readonly handler: 'dispatch' | 'execute';
  readonly events: readonly string[];
  readonly env?: (world: World) => NodeJS.ProcessEnv;
  prepare(world: World, ids: readonly string[]): Promise<void>;
  /** After the kill: until all events are over and nothing of them is left. */
  finish(world: World, ids: readonly string[]): Promise<void>;
  /** What is wrong with what ran, and with what is said of it. */
  faults(
    world: World,
    ids: readonly string[],
    statuses: readonly string[],
    reasons: readonly string[],
  ): string[];
  /** Not in the short form. */
  readonly long?: true;
}

const nodes = () => {
  const cluster = sharedCluster();
  return [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')] as const;
};
let services: Services;
test.before(async () => {
  services = await registerServices(nodes());
});

const bootFile = (world: World) => join(world.folder, 'boot');
const rebooting = (world: World) => ({ METRONOME_BOOT_ID_FILE: bootFile(world) });
const queued = async (world: World, ids: readonly string[], name: string) => {
  const events = ids.map((ID, at) => ({ ID, Name: name, Payload: null, LTime: at + 1, Version: 1 }));
  await push(world.context(world.nodes[0]), JSON.stringify(events));
};
/** Lines of the file of notes, whatever they say. */
const lines = (world: World) => readFileSync(world.notes, 'utf8').split('\n').filter(Boolean);
const twice = (world: World, allowed = 1) => {
  const times = new Map<string, number>();
  for (const line of lines(world)) times.set(line, (times.get(line) ?? 0) + 1);
  return [...times]
    .filter(([, count]) => count > allowed)
    .map(([line, count]) => `TWICE: ${line}: ${count} times`);
};
const plainTicks = (world: World, ids: readonly string[]) => world.settle(ids);

/** Ticks of the machine that reboots are processes of their own: they read which boot it is. */
async function machineIsBack(world: World, ids: readonly string[]): Promise<void> {
  writeFileSync(bootFile(world), `${freshName('boot')}\n`);
  await machineTicks(world, ids);
}

async function machineTicks(world: World, ids: readonly string[]): Promise<void> {
  for (let tries = 0; tries < 60; tries += 1) {
    const { code, signal, stderr } = await world.start(world.nodes[0], ['tick'], { env: rebooting(world) })
      .finished;
    // Killed before its reboot, the task begins now, and the reboot ends this tick.
    if (code !== 0 && signal !== 'SIGKILL') throw new Error(`a tick ended with ${code}: ${stderr}`);
    await dispatch(world.context(world.nodes[1]));
    if ((await world.open(ids)).length === 0) return;
    await sleep(100);
  }
  throw new Error(`not settled: ${(await world.open(ids)).join('; ')}`);
}

const rebootFaults: Sweep['faults'] = (world, ids, [status]) => {
  const found = twice(world);
  const own = lines(world).map((line) => line.split(' ').slice(3).join(' '));
  const order = ['before', 'command', 'after'].map((what) => own.indexOf(what));
  const [before = -1, command = -1, after = -1] = order;
  if (after >= 0 && !(before >= 0 && before < after)) found.push(`ORDER: ${own.join(', ')}`);
  if (command >= 0 && after >= 0 && command > after) found.push(`ORDER: ${own.join(', ')}`);
  if (status === 'success' && (before < 0 || after < 0))
    found.push(`LOST: ${String(ids[0])} says success: ${own.join(', ')}`);
  return found;
};

const SWEEPS: Readonly<Record<string, Sweep>> = {
  'execute, up to the reboot': {
    on: 0,
    handler: 'execute',
    events: ['kernel'],
    env: rebooting,
    async prepare(world, ids) {
      writeFileSync(bootFile(world), 'first\n');
      await queued(world, ids, 'kernel');
      await dispatch(world.context(world.nodes[0]));
    },
    finish: machineIsBack,
    faults: rebootFaults,
  },
  // Nothing but the command reboots it: where the kill came before that, it never does.
  'execute, and the machine stays up': {
    on: 0,
    handler: 'execute',
    events: ['kernel'],
    env: rebooting,
    async prepare(world, ids) {
      writeFileSync(bootFile(world), 'first\n');
      await queued(world, ids, 'kernel');
      await dispatch(world.context(world.nodes[0]));
    },
    finish: machineTicks,
    faults(world, ids, statuses, reasons) {
      const own = lines(world);
      const early =
        own.some((line) => line.endsWith('after')) && !own.some((line) => line.endsWith('command'));
      return [
        ...rebootFaults(world, ids, statuses, reasons),
        ...(early ? [`ORDER: it went on and nothing rebooted: ${own.join(', ')}`] : []),
      ];
    },
    long: true,
  },
  'execute, after the reboot': {
    on: 0,
    handler: 'execute',
    events: ['kernel'],
    env: rebooting,
    async prepare(world, ids) {
      writeFileSync(bootFile(world), 'first\n');
      await queued(world, ids, 'kernel');
      await dispatch(world.context(world.nodes[0]));
      await world.start(world.nodes[0], ['execute'], { env: rebooting(world) }).finished;
    },
    finish: machineIsBack,
    faults: rebootFaults,
  },
  'dispatch, merging three events into one run': {
    on: 0,
    handler: 'dispatch',
    events: ['burst', 'burst', 'burst'],
    async prepare(world, ids) {
      await queued(world, ids, 'burst');
      await sleep(60);
    },
    finish: plainTicks,
    faults(world, ids, statuses, reasons) {
      const found = twice(world);
      for (const [at, reason] of reasons.entries())
        if (statuses[at] === 'skip' && !reason.includes(`one run with ${String(ids.at(-1))} `))
          found.push(`${String(ids[at])} does not name the run it became: ${reason}`);
      const ran = new Set(lines(world).map((line) => line.split(' ')[0]));
      if (ran.size !== 1) found.push(`${ran.size} of the events ran: ${[...ran].join(', ')}`);
      const counts = statuses.toSorted().join(' ');
      if (counts !== 'skip skip success' || statuses.at(-1) !== 'success')
        found.push(`LOST: ${ids.join(', ')} ended ${statuses.join(', ')}`);
      return found;
    },
  },
  'execute, the first batch': {
    on: 1,
    handler: 'execute',
    events: ['rolling'],
    async prepare(world, ids) {
      await queued(world, ids, 'rolling');
      await dispatch(world.context(world.nodes[0]));
    },
    finish: plainTicks,
    faults: rescuedFaults,
    long: true,
  },
  'execute, a batch that fails': {
    on: 2,
    handler: 'execute',
    events: ['rolling'],
    async prepare(world, ids) {
      await queued(world, ids, 'rolling');
      await dispatch(world.context(world.nodes[0]));
      await execute(world.context(world.nodes[1]));
    },
    finish: plainTicks,
    faults: rescuedFaults,
    long: true,
  },
  'execute, the rescue': {
    on: 0,
    handler: 'execute',
    events: ['rolling'],
    async prepare(world, ids) {
      await queued(world, ids, 'rolling');
      await dispatch(world.context(world.nodes[0]));
      for (const at of [1, 2] as const) await execute(world.context(world.nodes[at]));
    },
    finish: plainTicks,
    faults: rollingFaults,
    long: true,
  },
};

/** n2, then n3, which fails, then the rescue on n1; whoever is lost counts as failed. */
function rollingFaults(world: World, ids: readonly string[], [status]: readonly string[]): string[] {
  const found = twice(world);
  const own = lines(world).map((line) => line.split(' ').slice(1).join(' '));
  const at = (line: string) => own.indexOf(line);
  const [, second, third] = world.nodes.map(({ name }) => name);
  if (at(`0 ${third} start`) >= 0 && at(`0 ${second} end`) < 0)
    found.push(`ORDER: the second batch ran, and the first was not over: ${own.join(', ')}`);
  const rescue = own.findIndex((line) => line.endsWith('rescue'));
  if (rescue >= 0 && own.slice(rescue + 1).some((line) => line.startsWith('0 ')))
    found.push(`ORDER: something ran after the rescue: ${own.join(', ')}`);
  if (status === 'success' && rescue < 0)
    found.push(`LOST: ${String(ids[0])} says success without its rescue`);
  return found;
}

/** Nobody kills what mends it: however the batches end, the rescue runs and the event is a success. */
function rescuedFaults(world: World, ids: readonly string[], statuses: readonly string[]): string[] {
  const found = rollingFaults(world, ids, statuses);
  if (statuses[0] !== 'success') found.push(`${String(ids[0])} was not rescued: ${String(statuses[0])}`);
  return found;
}

for (const [name, sweep] of Object.entries(SWEEPS)) {
  if (sweep.long && !LONG) continue;
  (LONG ? test.serial : test)(`killed at each request: ${name}`, async (t) => {
    t.timeout(600_000);
    const proxy = await startProxy(nodes()[sweep.on]);
    t.teardown(() => proxy.close());
    let points = 0;
    for (const when of LONG ? (['before', 'after'] as const) : (['after'] as const)) {
      for (let k = 1; await tryPoint(t, sweep, proxy, when, k); k += 1) points += 1;
    }
    t.true(points >= 3, `only ${points} points`);
    t.log(`${points} points`);
  });
}

test('an event is not merged into one that is cancelled at that moment', async (t) => {
  const proxy = await startProxy(nodes()[0]);
  t.teardown(() => proxy.close());
  const world = await makeWorld(t, { nodes: nodes(), services, more: events() });
  writeFileSync(world.schedule, tasksOf(world, readFileSync(world.schedule, 'utf8')));
  const ids = [freshName('e'), freshName('e'), freshName('e')] as const;
  await queued(world, ids, 'burst');
  await sleep(60);
  const { client } = world.context(world.nodes[0]);
  let cancelled = false;
  proxy.use({
    // Between the look at the queue and the first write.
    async before(passing): Promise<Verdict> {
      if (cancelled || !passing.writes) return 'pass';
      const newest = (await readQueue(client)).queue.at(-1);
      if (newest === undefined) return 'pass';
      cancelled = await dismissQueued(client, newest, Date.now(), 'cancelled', 'cancelled');
      return 'pass';
    },
  });
  t.is((await world.start(world.nodes[0], ['dispatch'], { by: proxy }).finished).code, 0);
  t.true(cancelled);
  await world.settle(ids);
  t.deepEqual(await Promise.all(ids.map((id) => world.status(id))), ['skip', 'success', 'cancelled']);
  t.regex(String((await world.result(ids[0]))?.Reason), new RegExp(`one run with ${ids[1]} `));
  t.deepEqual(twice(world), []);
});

/** False: the handler had ended before the k-th request. */
async function tryPoint(
  t: ExecutionContext,
  sweep: Sweep,
  proxy: Proxy,
  when: 'before' | 'after',
  k: number,
): Promise<boolean> {
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    more: events(),
  });
  writeFileSync(world.schedule, tasksOf(world, readFileSync(world.schedule, 'utf8')));
  const ids = sweep.events.map(() => freshName('e'));
  await sweep.prepare(world, ids);
  const { at, ended } = await killedAt(proxy, when, k, () =>
    world.start(world.nodes[sweep.on], [sweep.handler], { by: proxy, env: sweep.env?.(world) ?? {} }),
  );
  // The stand-in for a reboot ends its handler too.
  if (at === '' && ended.signal === null) t.is(ended.code, 0, ended.stderr);
  await sweep.finish(world, ids);
  const statuses = await Promise.all(ids.map(async (id) => (await world.status(id)) ?? 'unknown'));
  const where = `${sweep.handler} killed ${at}\n${lines(world).join('\n')}\n${world.lines.join('\n')}`;
  const reasons = await Promise.all(ids.map(async (id) => String((await world.result(id))?.Reason)));
  t.deepEqual(sweep.faults(world, ids, statuses, reasons), [], where);
  for (const [index, reason] of reasons.entries()) {
    if (statuses[index] !== 'error') continue;
    t.regex(reason, /lost|reboot|exceeded|exited with 1/, where);
  }
  return at !== '';
}

const events = () => `
  kernel: {ordered_tasks: [{service: ${services.first}, task: kernel}]}
  burst: {buffer_period: 50ms/5s, ordered_tasks: [{service: ${services.first}, task: say}]}
  rolling:
    ordered_tasks: [{service: ${services.middle}, task: frail, serial: 1, max_fail_percentage: 0}]
    rescue: [{service: ${services.last}, task: mend}]`;

/** The tasks that these events need, in the world's schedule. */
function tasksOf(world: World, text: string): string {
  const say = (what: string) =>
    `echo "$METRONOME_EVENT_ID $METRONOME_STEP $METRONOME_NODE ${what}" >>'${world.notes}'`;
  const script = (...shell: string[]) =>
    `      - execute:\n          script: |\n${shell.map((line) => `            ${line}\n`).join('')}`;
  const down = `${say('command')}; date +%s%N >'${bootFile(world)}'; kill -KILL $PPID; sleep 60`;
  return `${text}
  say:
    operations:
${script(say('start'), say('end'))}
  mend:
    operations:
${script(say('rescue'))}
  frail:
    operations:
${script(say('start'), `[ "$METRONOME_NODE" != '${world.nodes[2].name}' ] || exit 1`, say('end'))}
  kernel:
    operations:
${script(say('before'))}
      - reboot:
          command: ${JSON.stringify(down)}
          timeout: 5s
${script(say('after'))}`;
}
