/** The same acceptance test for each driver, on one server and three clients: order, once each, catching up, no overlap. */
import test, { type ExecutionContext } from 'ava';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent } from '../support/agent.js';
import { type Cluster, consulApi, registerService, startCluster, until } from '../support/cluster.js';
import { metronome, type RunningMetronome, startMetronome } from '../support/metronome.js';
import { command } from '../support/project.js';

interface Place {
  readonly node: Agent;
  readonly prefix: string;
  readonly stateDir: string;
  readonly file: string;
}

interface Driver {
  /** Starts it on one node; what it gives back stops it again. */
  start(place: Place): Promise<() => Promise<void>>;
}

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster({ servers: 1, clients: 3, quick: false });
  await registerService(cluster.node('n1'), { name: 'db' });
  await registerService(cluster.node('n2'), { name: 'app' });
  await registerService(cluster.node('n3'), { name: 'app' });
});
test.after.always(() => cluster?.close());

const flags = ({ prefix, stateDir, file }: Place) => ({
  prefix,
  stateDir,
  files: [file],
  env: cluster.env,
  limit: 120_000,
});

const watch: Driver = {
  async start({ node, prefix, stateDir, file }) {
    const handler = (name: string) => [
      process.execPath,
      command,
      name,
      `--host=${node.host}`,
      `--port=${node.port}`,
      `--prefix=${prefix}`,
      `--state-dir=${stateDir}`,
      `--files=${file}`,
    ];
    const script = { handler_type: 'script' };
    const watches = [
      { type: 'event', ...script, args: handler('push') },
      { type: 'keyprefix', prefix: `${prefix}inbox/${node.name}/`, ...script, args: handler('execute') },
    ];
    await node.configure({ 'watches.json': JSON.stringify({ watches }) });
    return () => node.configure({ 'watches.json': '{}' });
  },
};

const timer: Driver = {
  async start(place) {
    let over = false;
    const ticking = (async () => {
      while (!over) {
        await metronome(place.node, ['tick', '--events'], flags(place));
        await sleep(100);
      }
    })();
    return async () => {
      over = true;
      await ticking;
    };
  },
};

const agent: Driver = {
  async start(place) {
    const running: RunningMetronome = startMetronome(place.node, ['agent'], flags(place));
    return async () => {
      running.kill('SIGTERM');
      const { code, stderr } = await running.finished;
      if (code !== 0) throw new Error(`the agent ended with ${code}: ${stderr}`);
      if (process.env.METRONOME_TEST_LOG !== undefined) process.stderr.write(stderr);
    };
  },
};

async function accept(t: ExecutionContext, name: string, driver: Driver): Promise<void> {
  const prefix = `${name}/`;
  const dir = join(cluster.dir, name);
  const ledger = join(dir, 'ledger');
  const file = join(dir, 'tiers', 'task.yml');
  mkdirSync(join(dir, 'tiers'), { recursive: true });
  writeFileSync(
    file,
    `
events: {${name}: {ordered_tasks: [{service: db, task: first}, {service: app, task: second}, {service: db, task: third}]}}
tasks:
${['first', 'second', 'third']
  .map(
    (task) => `  ${task}:
    operations:
      - execute: {script: 'note() { echo "$METRONOME_EVENT_ID $METRONOME_TASK $METRONOME_NODE $1" >> ${ledger}; }; note start; sleep 0.05; note end'}`,
  )
  .join('\n')}
`,
  );
  const places = cluster.clients.map((node) => ({
    node,
    prefix,
    stateDir: join(dir, node.name),
    file,
  }));
  const api = consulApi(cluster.node('n1'));
  const lines = () => (existsSync(ledger) ? readFileSync(ledger, 'utf8').trim().split('\n') : []);
  const statusOf = async (id: string) =>
    (JSON.parse((await api.kvGet(`${prefix}results/${id}`))?.value ?? '{}') as { Status?: string }).Status;
  const ended = (id: string) =>
    until(async () => !['inprogress', undefined].includes(await statusOf(id)), `event ${id} to end`, 60_000);
  const expected = (id: string) => [
    [`${id} first n1 start`, `${id} first n1 end`],
    [`${id} second n2 start`, `${id} second n2 end`, `${id} second n3 start`, `${id} second n3 end`],
    [`${id} third n1 start`, `${id} third n1 end`],
  ];

  let stops = await Promise.all(places.map((place) => driver.start(place)));
  t.teardown(async () => void (await Promise.allSettled(stops.map((stop) => stop()))));
  // Several at once, each fired by gossip on another node.
  const ids = [await api.fireEvent(name), await consulApi(cluster.node('n2')).fireEvent(name)];
  for (const id of ids) await ended(id);

  // What comes while nobody is there is caught up on.
  for (const stop of stops) await stop();
  stops = [];
  ids.push(await api.fireEvent(name));
  for (const node of cluster.clients)
    await until(
      async () => (await consulApi(node).events(name)).some((event) => event.ID === ids[2]),
      `${node.name} to hear of the event`,
    );
  stops = await Promise.all(places.slice(0, 2).map((place) => driver.start(place)));
  // n3 is not there yet: the second step waits for it, and the third has not begun.
  await until(() => lines().includes(`${ids[2]} second n2 end`), 'the second step to be done on n2', 60_000);
  t.false(lines().some((line) => line.startsWith(`${ids[2]} third`)));
  stops.push(await driver.start(places[2] as Place));
  await ended(ids[2] as string);
  for (const stop of stops) await stop();
  stops = [];

  for (const id of ids) t.is(await statusOf(id), 'success');
  // Ordered and once each: for every event all of a step stands before anything of the next.
  const all = lines();
  for (const id of ids) {
    let rest = all.filter((line) => line.startsWith(id));
    for (const step of expected(id)) {
      t.deepEqual(rest.slice(0, step.length).toSorted(), step.toSorted());
      rest = rest.slice(step.length);
    }
    t.deepEqual(rest, []);
  }
  // One event after the other.
  const order = all.map((line) => line.split(' ')[0]);
  t.deepEqual(
    order,
    order.toSorted((a = '', b = '') => order.indexOf(a) - order.indexOf(b)),
  );
  // Nothing of it is left.
  t.deepEqual(
    (await api.kvKeys(prefix)).filter((key) => !/\/(results|schedules)\/|\/\.keep$/.test(key)),
    [],
  );
}

for (const [name, driver] of Object.entries({ watch, timer, agent }))
  test.serial(`${name}: in order, once each, no overlap, and a later start catches up`, (t) =>
    accept(t, name, driver),
  );
