/**
 * A handler is ended as by SIGKILL just before, and just after, each request it makes to Consul. Plain
 * ticks then finish the run: every event ends, steps in order, each operation at most once a node,
 * nothing of the run left outside results/.
 */
import test, { type ExecutionContext } from 'ava';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { freshName, sharedCluster } from '../support/cluster.js';
import { LONG } from './_chance.js';
import { killedAt } from './_crash.js';
import { type Proxy, startProxy } from './_proxy.js';
import { makeWorld, registerServices, type Services, type World } from './_world.js';

interface Sweep {
  /** The handler that is killed, as one types it. */
  readonly args: readonly string[];
  /** On which of the three nodes. */
  readonly on: 0 | 1 | 2;
  /** Brings the event to where that handler has something to do. */
  prepare(world: World, id: string): Promise<void>;
  readonly stdin?: (world: World, id: string) => string;
  /** A kill of it can cost a target its result (its claim is lost); otherwise all must run and succeed. */
  readonly mayLose: boolean;
}

const queue = async (world: World, id: string) => {
  await push(world.context(world.nodes[0]), world.input(id));
};
const firstStepDone = async (world: World, id: string) => {
  await queue(world, id);
  await dispatch(world.context(world.nodes[0]));
  await execute(world.context(world.nodes[0]));
};
const middleStepHalf = async (world: World, id: string) => {
  await firstStepDone(world, id);
  await execute(world.context(world.nodes[2]));
};
const lastStepOpen = async (world: World, id: string) => {
  await middleStepHalf(world, id);
  await execute(world.context(world.nodes[1]));
};

const SWEEPS: Readonly<Record<string, Sweep>> = {
  push: {
    args: ['push'],
    on: 0,
    prepare: async () => {},
    stdin: (world, id) => world.input(id),
    mayLose: false,
  },
  dispatch: { args: ['dispatch'], on: 0, prepare: queue, mayLose: false },
  'execute, the first step': {
    args: ['execute'],
    on: 0,
    async prepare(world, id) {
      await queue(world, id);
      await dispatch(world.context(world.nodes[0]));
    },
    mayLose: true,
  },
  'execute, first of two targets': { args: ['execute'], on: 1, prepare: firstStepDone, mayLose: true },
  'execute, last of two targets': { args: ['execute'], on: 1, prepare: middleStepHalf, mayLose: true },
  'execute, the last step': { args: ['execute'], on: 0, prepare: lastStepOpen, mayLose: true },
  'tick, from the queue on': { args: ['tick'], on: 0, prepare: queue, mayLose: true },
};
/** In the short form: those that write most, and only around their writes; a read changes nothing. */
const SHORT = ['push', 'execute, last of two targets', 'execute, the last step'];

const nodes = () => {
  const cluster = sharedCluster();
  return [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')] as const;
};
let services: Services;
test.before(async () => {
  services = await registerServices(nodes());
});

for (const name of LONG ? Object.keys(SWEEPS) : SHORT) {
  const sweep = SWEEPS[name] as Sweep;
  // The long form one after the other: seven sweeps at once leave a small machine no time for Consul.
  (LONG ? test.serial : test)(`killed at each request: ${name}`, async (t) => {
    t.timeout(600_000);
    const proxy = await startProxy(nodes()[sweep.on]);
    t.teardown(() => proxy.close());
    let points = 0;
    for (const when of LONG ? (['before', 'after'] as const) : (['after'] as const)) {
      for (let k = 1; ; k += 1) {
        let tried = await tryPoint(t, sweep, proxy, when, k);
        while (tried === 'again') tried = await tryPoint(t, sweep, proxy, when, k);
        if (tried === 'over') break;
        points += 1;
      }
    }
    t.true(points >= 3, `only ${points} points`);
    t.log(`${points} points`);
  });
}

/**
 * over: the handler had ended before the k-th request. again: the machine was so busy that a task that nobody
 * killed was without contact to Consul and ended itself, as it should; what was to be tried was not.
 */
async function tryPoint(
  t: ExecutionContext,
  sweep: Sweep,
  proxy: Proxy,
  when: 'before' | 'after',
  k: number,
): Promise<'tried' | 'again' | 'over'> {
  const world = await makeWorld(t, { nodes: nodes(), services });
  const id = freshName('e');
  await sweep.prepare(world, id);
  const node = world.nodes[sweep.on];
  const { at, ended } = await killedAt(proxy, when, k, () =>
    world.start(node, sweep.args, {
      by: proxy,
      ...(sweep.stdin === undefined ? {} : { stdin: sweep.stdin(world, id) }),
    }),
  );
  const killed = at !== '';
  if (!killed) t.is(ended.code, 0, ended.stderr);
  // The same event reaches every node; push on another one is what a killed push's event lives by.
  await push(world.context(world.nodes[2]), world.input(id));
  await world.settle([id]);
  const where = `${sweep.args.join(' ')} killed ${at}\n${world.lines.join('\n')}`;
  t.deepEqual(await world.faults([id]), [], where);
  const status = await world.status(id);
  const reason = String((await world.result(id))?.Reason);
  if (status === 'error' && /no contact with Consul/.test(reason)) return 'again';
  if (sweep.mayLose && status === 'error') t.regex(reason, /lost/, where);
  else t.is(status, 'success', where);
  return killed ? 'tried' : 'over';
}
