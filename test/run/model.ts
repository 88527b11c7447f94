/**
 * The core in a simulated cluster: arbitrary schedules, results, deaths, clocks and operators, with every
 * request of every process interleaved at random; after each move the rules of the README hold.
 * METRONOME_MODEL_CASES is how many (a long run: 100000, with `ava --timeout=1h`), METRONOME_MODEL_SEED
 * repeats one, METRONOME_MODEL_TRACE is how many lines of what happened a failure shows.
 */
import test from 'ava';
import { compare } from '../../src/run/batches.js';
import { dispatch, execute, operate, relock } from './_actors.js';
import { type Host, SERVICES } from './_cases.js';
import { Violation } from './_invariants.js';
import { type Mistake, World } from './_world.js';

const CASES = Number(process.env['METRONOME_MODEL_CASES'] ?? 500);
const SEED = process.env['METRONOME_MODEL_SEED'];

/** Anything happens, at any moment. */
function storm(world: World): void {
  const { random } = world;
  const moves = random.whole(0, 800);
  for (let move = 0; move < moves; move += 1) {
    const ready = world.actors.filter((actor) => world.ready(actor));
    if (ready.length > 0 && random.chance(0.75)) {
      world.resume(random.pick(ready));
      continue;
    }
    const host = random.pick(world.hosts);
    const dice = random.next();
    if (dice < 0.3) startDispatch(world, host, random.chance(0.3));
    else if (dice < 0.55) startExecute(world, host);
    else if (dice < 0.75) world.elapse(random.pick([10, 1000, 5000, 20_000, 100_000]));
    else if (dice < 0.8) startRelock(world, host);
    else if (dice < 0.9) disturb(world, host);
    else if (dice < 0.93) world.push(random.pick(world.plans));
    else if (dice < 0.97) befall(world, host);
    else interfere(world, host);
  }
}

function startDispatch(world: World, host: Host, quick: boolean): void {
  if (host.up && world.actors.filter((actor) => actor.host === host && actor.kind === 'dispatch').length < 2)
    world.start('dispatch', host, dispatch(world, host, quick));
}

function startExecute(world: World, host: Host): void {
  if (host.up && !world.busy(host, 'execute') && world.consul.tree(`inbox/${host.name}/`).length > 0)
    world.start('execute', host, execute(world, host));
}

function startRelock(world: World, host: Host): void {
  const lease = world.leases.get(host.name);
  if (host.up && lease && !world.consul.sessions.has(lease.session) && !world.busy(host, 'relock'))
    world.start('relock', host, relock(world, host));
}

/** The cluster changes, and nobody is to blame. */
function disturb(world: World, host: Host): void {
  const { random } = world;
  const what = random.pick(['passing', 'passing', 'listed', 'alive', 'services'] as const);
  if (what === 'services') host.services = SERVICES.filter(() => random.chance(0.75));
  else host[what] = random.chance(0.7);
}

/** Something breaks, or is mended. */
function befall(world: World, host: Host): void {
  const { random } = world;
  switch (random.pick(['kill', 'down', 'up', 'cut', 'link', 'link', 'expire'] as const)) {
    case 'kill':
      world.kill(host);
      break;
    case 'down':
      world.shutDown(host);
      break;
    case 'up':
      host.up = true;
      host.alive = true;
      break;
    case 'cut':
      host.linked = false;
      break;
    case 'link':
      host.linked = true;
      break;
    case 'expire': {
      const lease = world.leases.get(host.name);
      if (lease !== undefined) world.expire(lease, host.name);
    }
  }
  world.watch.check();
}

/** An operator gives a word. */
function interfere(world: World, host: Host): void {
  const { random } = world;
  const { id } = random.pick(world.plans);
  const word = random.pick(['cancel', 'pause', 'resume', 'approve', 'approve', 'hold', 'hold'] as const);
  world.start(
    'operate',
    host,
    operate(world, id, (run, control) => {
      const key = word === 'hold' ? `${run.current}/hold` : String(run.current);
      if (word === 'cancel') return { ...control, cancel: (control.cancel ?? 0) + 1 };
      if (word === 'pause' || word === 'resume') return { ...control, pause: word === 'pause' };
      const before = control.approve?.[key] ?? (word === 'hold' ? 1 : 0);
      return { ...control, approve: { ...control.approve, [key]: before + 1 } };
    }),
  );
}

/** Nothing new breaks and operators hold nothing back: every run ends within its own limits. */
function calm(world: World): void {
  const { random } = world;
  const first = world.hosts[0] as Host;
  for (const host of world.hosts) {
    if (host === first || random.chance(0.85)) Object.assign(host, { up: true, linked: true, alive: true });
  }
  const working = world.hosts.filter((host) => host.up);
  const limit = world.time + bound(world);
  for (let round = 0; ; round += 1) {
    settle(world);
    if (world.plans.every(({ id }) => !world.run(id) && !world.consul.get(`event_queue/${id}`))) break;
    if (world.time > limit) throw new Violation(`a run does not end: ${JSON.stringify(pending(world))}`);
    world.elapse(random.pick([1000, 10_000, 30_000, 60_000]));
    // One that a task reboots comes back, sooner or later.
    for (const host of working)
      if (!host.up && random.chance(0.5)) Object.assign(host, { up: true, alive: true });
    for (const { id } of world.plans) release(world, id);
    startDispatch(world, round % 3 === 0 ? first : random.pick(world.hosts), random.chance(0.3));
    for (const host of world.hosts) {
      startRelock(world, host);
      startExecute(world, host);
    }
  }
  for (const prefix of ['progress/', 'inbox/', 'active/', 'control/', 'event_queue/']) {
    const rest = world.consul.tree(prefix);
    if (rest.length > 0) throw new Violation(`at the end there is ${rest[0]?.key}`);
  }
  for (const { id } of world.plans) {
    const result = world.consul.get(`results/${id}`)?.value as { status: string; run: { rescued?: unknown } };
    world.count(`run ${result.status}${result.run.rescued === undefined ? '' : ' rescued'}`);
  }
}

function pending(world: World): unknown {
  return world.plans.map(({ id }) => world.run(id)?.value).map((run) => run && [run.current, run.step]);
}

/** Everybody who can go on goes on. */
function settle(world: World): void {
  for (let move = 0; ; move += 1) {
    const ready = world.actors.filter((actor) => world.ready(actor));
    if (ready.length === 0) return;
    if (move > 5000) throw new Violation('there is no end of moves');
    world.resume(world.random.pick(ready));
  }
}

/** The operator of a calm cluster lets everything go on. */
function release(world: World, id: string): void {
  const run = world.run(id)?.value;
  if (run === undefined) return;
  const { value, index } = world.control(id);
  const approval = /waiting for approval/.test(run.step.gate ?? '');
  if (!value.pause && !approval) return;
  const key = String(run.current);
  const approve = { ...value.approve, ...(approval ? { [key]: (value.approve?.[key] ?? 0) + 1 } : {}) };
  world.txn('the operator lets go', [
    { verb: 'cas', key: `control/${id}`, value: { ...value, pause: false, approve }, index },
  ]);
}

/** What the limits of all steps allow: clocks apart, judges elsewhere, and a minute here and there. */
function bound(world: World): number {
  const doubt = 300_000 + 180_000 + 300_000;
  return world.plans
    .flatMap((plan) => plan.steps)
    .map((spec) => spec.startTimeout + spec.stepTimeout + spec.grace + spec.lostGrace + 120_000 + 3 * doubt)
    .reduce((sum, one) => sum + one, doubt);
}

function simulate(seed: number, mistake?: Mistake): World {
  const world = new World(seed, mistake);
  try {
    storm(world);
    calm(world);
  } catch (error) {
    const trace = world.trace.slice(-Number(process.env['METRONOME_MODEL_TRACE'] ?? 60)).join('\n');
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`METRONOME_MODEL_SEED=${seed}: ${text}\n${trace}`, { cause: error });
  }
  return world;
}

test('the rules hold after every move of a random cluster', (t) => {
  const base = SEED === undefined ? Math.floor(Math.random() * 0x7fffffff) : Number(SEED);
  const cases = SEED === undefined ? CASES : 1;
  const seen = new Map<string, number>();
  for (let at = 0; at < cases; at += 1) {
    const world = simulate(base + at);
    for (const [what, many] of world.seen) seen.set(what, (seen.get(what) ?? 0) + many);
  }
  const counts = [...seen].sort(([a], [b]) => compare(a, b)).map(([what, many]) => `${what} ${many}`);
  t.log(`${cases} clusters from seed ${base}: ${counts.join(', ')}`);
  t.true(seen.size > 0 || cases === 1);
});

const MISTAKES: readonly Mistake[] = [
  'assign without the outcome check',
  'claim without the run check',
  'write without cas',
  'admit without the slot',
  'deaf to its lost session',
  'a reboot is as any absence',
  'the record of a reboot is kept',
  'forgets what it repeats',
  // Takes some thousand clusters to be seen.
  ...(CASES > 5000 ? (['clock before the look'] as const) : []),
];

for (const mistake of MISTAKES) {
  test(`a cluster that makes a mistake is found out: ${mistake}`, (t) => {
    for (let seed = 1; seed <= 30000; seed += 1) {
      try {
        simulate(seed, mistake);
      } catch (error) {
        if (!(error instanceof Error && error.cause instanceof Violation)) throw error;
        t.log(`cluster ${seed}: ${error.cause.message}`);
        t.pass();
        return;
      }
    }
    t.fail('30000 clusters did not show it');
  });
}
