/**
 * Ticks, watches' handlers, pushes and Consul agents killed and restarted at random while events are
 * pushed from several nodes, duplicates among them: no event missing, none twice, steps in order.
 */
import test from 'ava';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../support/project.js';
import { type Cluster, freshName, leftoverProcesses, startCluster } from '../support/cluster.js';
import { chance, LONG, SEED } from './_chance.js';
import { makeWorld, registerServices, type World, type WorldOptions } from './_world.js';

let cluster: Cluster;
const nodes = (): WorldOptions['nodes'] => [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')];
test.before(async () => {
  cluster = await startCluster({ servers: 1, clients: 3, quick: false });
});
test.after.always(() => cluster?.close());

/** How long (ms), and how many events. */
const SPAN = LONG ? 60_000 : 6000;
const EVENTS = LONG ? 240 : 12;

/** Consul's watches on a node, as deploy/consul lays them down. */
async function watch(world: World, at: number): Promise<void> {
  const agent = cluster.node(`n${at + 1}`);
  const flags = ['--prefix', world.prefix, '--state-dir', world.stateDir(agent), '--files', world.schedule];
  const address = `CONSUL_HTTP_ADDR=${agent.host}:${agent.port}`;
  await agent.configure({
    'watches.json': JSON.stringify({
      watches: [
        {
          type: 'keyprefix',
          prefix: `${world.prefix}inbox/${agent.name}/`,
          handler_type: 'script',
          args: ['env', address, process.execPath, command, 'execute', ...flags],
        },
      ],
    }),
  });
}

test('random kills of handlers and agents', async (t) => {
  t.timeout(600_000);
  const services = await registerServices(nodes());
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    step: ['lost_grace: 1s', 'grace: 1s', 'start_timeout: 60s'],
    work: 'sleep 0.2',
  });
  for (const at of [0, 1, 2]) await watch(world, at);
  const random = chance('random kills');
  const ids = Array.from({ length: EVENTS }, () => freshName('e'));
  const end = performance.now() + SPAN;
  const kills = { handlers: 0, agents: 0 };
  const going = () => performance.now() < end;

  const ticking = nodes().map(async (node) => {
    while (going()) {
      await world.start(node, ['tick']).finished;
      await sleep(random.whole(400));
    }
  });
  /** As each node's event watch does: the same event from several nodes, some of which are killed over it. */
  const pushing = async () => {
    for (const [at, id] of ids.entries()) {
      await sleep(Math.max(0, (SPAN * (at + 1)) / (EVENTS + 1) - (performance.now() - (end - SPAN))));
      const targets = random.next() < 0.3 ? [random.of(nodes()), random.of(nodes())] : [random.of(nodes())];
      void Promise.all(targets.map((node) => deliver(node, id)));
    }
  };
  const deliveries: Promise<void>[] = [];
  const deliver = async (node: WorldOptions['nodes'][number], id: string) => {
    const work = (async () => {
      // Consul hands an event to every node; here to another one when the push itself was killed.
      for (let to = node; ; to = random.of(nodes())) {
        const { code } = await world.start(to, ['push'], { stdin: world.input(id) }).finished;
        if (code === 0 || code === 3) return;
      }
    })();
    deliveries.push(work);
    await work;
  };
  const killing = async () => {
    while (going()) {
      await sleep(100 + random.whole(500));
      // Half of the time one whose task is running: the others mostly die before they have begun.
      const busy = random.next() < 0.5 ? executorsOf(ids) : [];
      const handlers = busy.length > 0 ? busy : handlersOf(world);
      if (handlers.length === 0) continue;
      try {
        process.kill(random.of(handlers), 'SIGKILL');
        kills.handlers += 1;
      } catch {
        // It ended by itself.
      }
    }
  };
  const restarting = async () => {
    while (going()) {
      await sleep(2000 + random.whole(3000));
      const agent = random.of(nodes().map(({ name }) => cluster.node(name)));
      await agent.kill();
      kills.agents += 1;
      await sleep(random.whole(1500));
      await agent.start();
    }
  };
  await Promise.all([...ticking, pushing(), killing(), restarting()]);
  await Promise.all(deliveries);
  await cluster.ready(60_000);
  await world.settle(ids, 400_000);

  const faults = await world.faults(ids);
  t.deepEqual(faults, [], world.lines.slice(-100).join('\n'));
  const statuses = await Promise.all(ids.map((id) => world.status(id)));
  for (const [at, status] of statuses.entries())
    if (status !== 'success') {
      const reason = String((await world.result(ids[at] ?? ''))?.Reason);
      t.regex(reason, /lost|no contact with Consul/, `${ids[at]} ended ${status}`);
    }
  const lost = statuses.filter((status) => status !== 'success').length;
  t.log(
    `seed ${SEED}: ${kills.handlers} handlers and ${kills.agents} agents killed, ${ids.length} events, ${lost} ended as lost, ` +
      `missing 0, twice 0, out of order 0`,
  );
});

/** The parents of running tasks. */
function executorsOf(ids: readonly string[]): number[] {
  const known = new Set(ids);
  return leftoverProcesses('METRONOME_EVENT_ID=').flatMap(({ pid }) => {
    try {
      const id = /METRONOME_EVENT_ID=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, 'latin1'))?.[1];
      if (id === undefined || !known.has(id)) return [];
      const parent = /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1];
      const line = readFileSync(`/proc/${parent}/cmdline`, 'latin1');
      return line.includes(command) ? [Number(parent)] : [];
    } catch {
      return [];
    }
  });
}

/** Processes of metronome itself that work for this world, not their tasks. */
function handlersOf(world: World): number[] {
  return leftoverProcesses('METRONOME_GUARD')
    .filter(({ pid, command: line }) => {
      if (!line.includes(command) || !line.includes(world.prefix)) return false;
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('node');
      } catch {
        return false;
      }
    })
    .map(({ pid }) => pid);
}
