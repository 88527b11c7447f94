import { randomUUID } from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { consulApi } from '../support/cluster.js';
import { command } from '../support/project.js';
import { startBench, type Bench } from './fleet.js';
import {
  countingProxy,
  processTime,
  type Sample,
  sampleOf,
  shellSpawn,
  sideBySide,
  timed,
} from './measure.js';

export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly measured: Sample | number;
  /** What it must not pass, in the same unit, and how that follows from the floor of this run. */
  readonly limit: number;
  readonly how: string;
}

export interface Floor {
  readonly consulWrite: Sample;
  readonly shellSpawn: Sample;
  readonly nodeStart: Sample;
}

export async function measureFigures(quick: boolean): Promise<{ floor: Floor; figures: Figure[] }> {
  const runs = quick ? 3 : 7;
  const bench = await startBench(2);
  try {
    const api = consulApi(bench.cluster.node('n1'));
    const floor: Floor = {
      // As the handlers write: a transaction through a client agent.
      consulWrite: await timed(50, async () => {
        await api.txn([{ KV: { Verb: 'set', Key: 'floor', Value: Buffer.from('x').toString('base64') } }]);
      }),
      shellSpawn: await shellSpawn(50),
      nodeStart: await processTime(runs * 3, ['-e', '0']),
    };
    const step = 3 * (3 * floor.consulWrite.median + floor.shellSpawn.median);
    const figures: Figure[] = [];
    const agents = [bench.agent('n1'), bench.agent('n2')];
    await sleep(2000);

    const chain = await stepToStep(bench, 'chain', runs);
    figures.push({
      what: 'step to step, agent, one target',
      unit: 'ms',
      measured: chain,
      limit: step,
      how: '3 x (3 Consul writes + a shell)',
    });
    const turns = await stepToStep(bench, 'turns', runs);
    figures.push({
      what: 'step to step, agent, from node to node',
      unit: 'ms',
      measured: turns,
      limit: step,
      how: '3 x (3 Consul writes + a shell)',
    });

    // Gossip takes 5 to 130 ms, each time another: what comes after it is compared, not a sum of two medians.
    const { first, gossip, heard } = await eventToFirst(bench, runs * 3);
    const all = `${first.median.toFixed(0)} ms with ${gossip.median.toFixed(0)} ms of gossip`;
    figures.push({
      what: 'event to first operation, agent, beside gossip',
      unit: 'ms',
      measured: heard,
      limit: step,
      how: `3 x (3 Consul writes + a shell); ${all}`,
    });

    const fifty = await manyEvents(bench, quick ? 1 : 3);
    figures.push({
      what: 'fifty one-task events, agent',
      unit: 'ms',
      measured: fifty,
      limit: 50 * step,
      how: '50 x the step figure',
    });

    for (const agent of agents) agent.kill('SIGTERM');
    await sleep(1000);
    figures.push(await requests(bench, runs));
    figures.push(...(await idle(bench, quick ? 20 : 60)));
    figures.push(...(await memory(bench, quick ? 200 : 1000)));
    figures.push(...(await handlers(bench, runs * 5)));
    figures.push(...(await pushMany(bench)));
    return { floor, figures };
  } finally {
    await bench.close();
  }
}

/** ms from one operation's start to the next one's, over an event of twenty steps. */
async function stepToStep(bench: Bench, event: string, runs: number): Promise<Sample> {
  const gaps: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    bench.clear();
    const id = randomUUID();
    await push(bench, event, [id]);
    await bench.ended([id]);
    const marks = bench.marks();
    gaps.push(...marks.slice(1).map((mark, at) => mark - (marks[at] ?? mark)));
  }
  return sampleOf(gaps);
}

/** Fires a real user event by another node's agent; measures until the operation starts, and what gossip alone takes. */
async function eventToFirst(
  bench: Bench,
  runs: number,
): Promise<{ first: Sample; gossip: Sample; heard: Sample }> {
  const from = consulApi(bench.cluster.node('s1'));
  const at = bench.cluster.node('n1');
  const first: number[] = [];
  const gossip: number[] = [];
  const heardToFirst: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    bench.clear();
    const before = await fetch(`http://${at.host}:${at.port}/v1/event/list`);
    const index = before.headers.get('x-consul-index') ?? '0';
    const hears = fetch(`http://${at.host}:${at.port}/v1/event/list?index=${index}&wait=10s`).then(() =>
      Date.now(),
    );
    await sleep(50);
    const start = Date.now();
    const id = await from.fireEvent('single');
    const heard = await hears;
    await bench.ended([id]);
    const mark = bench.marks()[0] ?? Number.NaN;
    gossip.push(heard - start);
    first.push(mark - start);
    heardToFirst.push(mark - heard);
  }
  return { first: sampleOf(first), gossip: sampleOf(gossip), heard: sampleOf(heardToFirst) };
}

async function manyEvents(bench: Bench, runs: number): Promise<Sample> {
  const totals: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    bench.clear();
    const ids = Array.from({ length: 50 }, () => randomUUID());
    const start = Date.now();
    await push(bench, 'single', ids);
    // They run in order: asking for each while they run would be work for Consul.
    await bench.ended(ids.slice(-1));
    await bench.ended(ids);
    totals.push((bench.marks().at(-1) ?? Number.NaN) - start);
  }
  return sampleOf(totals);
}

/** Everything that an agent asks of Consul from the push of a twenty-step event to its end, by step; its watches too. */
async function requests(bench: Bench, runs: number): Promise<Figure> {
  const counter = await countingProxy(bench.cluster.node('n1'));
  const agent = bench.agent('n1', counter.port);
  await sleep(2000);
  const counts: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    bench.clear();
    const id = randomUUID();
    counter.reset();
    await push(bench, 'chain', [id]);
    await bench.ended([id]);
    await sleep(500);
    counts.push(counter.requests / bench.marks().length);
  }
  agent.kill('SIGKILL');
  counter.close();
  return {
    what: 'Consul requests for a step of one target, agent',
    unit: '',
    measured: sampleOf(counts),
    limit: 10,
    how: '6 N + 4',
  };
}

async function idle(bench: Bench, seconds: number): Promise<Figure[]> {
  const at = bench.cluster.node('n1');
  const counter = await countingProxy(at);
  const agent = bench.agent('n1', counter.port);
  // It sorts its memory once after the start.
  await sleep(15_000);
  counter.reset();
  const cpu = cpuOf(agent.pid ?? 0);
  await sleep(seconds * 1000);
  const requests = counter.requests / seconds;
  const busy = ((cpuOf(agent.pid ?? 0) - cpu) / (seconds * 1000)) * 100;
  agent.kill('SIGKILL');
  counter.close();
  return [
    {
      what: `idle agent, requests a second (over ${seconds} s)`,
      unit: '/s',
      measured: requests,
      limit: 0.2,
      how: '0.2 a second a node',
    },
    {
      what: `idle agent, CPU (over ${seconds} s)`,
      unit: '% of a core',
      measured: busy,
      limit: 0.1,
      how: '0.1 % of a core',
    },
  ];
}

async function memory(bench: Bench, events: number): Promise<Figure[]> {
  const agent = bench.agent('n1');
  await sleep(1500);
  const half = async () => {
    const ids = Array.from({ length: events / 2 }, () => randomUUID());
    await push(bench, 'nothing', ids);
    await bench.ended(ids.slice(-1), 300_000);
    return statusOf(agent.pid ?? 0, 'VmRSS');
  };
  const [first, rss] = [await half(), await half()];
  agent.kill('SIGKILL');
  return [
    { what: `agent's memory after ${events} events`, unit: 'MB', measured: rss, limit: 90, how: '90 MB' },
    {
      what: `its growth over the last ${events / 2} of them`,
      unit: 'MB',
      measured: Math.max(0, rss - first),
      limit: 5,
      how: 'flat: what the collector leaves lying',
    },
  ];
}

async function handlers(bench: Bench, runs: number): Promise<Figure[]> {
  const id = randomUUID();
  const input = JSON.stringify([{ ID: id, Name: 'nothing', Payload: null, LTime: 1 }]);
  const env = bench.environment('n1');
  const call = (name: string) => [command, name, ...bench.args('n1')];
  await processTime(1, call('push'), { input, env });
  await processTime(1, call('tick'), { env });
  const [start, push, execute] = await sideBySide(runs, [
    { args: ['-e', '0'] },
    { args: call('push'), input, env },
    { args: call('execute'), env },
  ]);
  if (start === undefined || push === undefined || execute === undefined) throw new Error('nothing measured');
  const limit = 1.5 * start.median;
  const how = `1.5 x \`node -e 0\` (${start.median.toFixed(1)} ms, in turn with it)`;
  return [
    { what: '`push` of a known event, whole process', unit: 'ms', measured: push, limit, how },
    { what: '`execute` on an empty inbox, whole process', unit: 'ms', measured: execute, limit, how },
  ];
}

async function pushMany(bench: Bench): Promise<Figure[]> {
  const events = Array.from({ length: 3000 }, (_, at) => ({
    ID: randomUUID(),
    Name: 'nothing',
    Payload: null,
    LTime: at + 1,
  }));
  // A prefix of its own: nobody works these off.
  const args = [
    command,
    'push',
    ...bench.args('n2').map((arg) => (arg === bench.prefix ? 'bench-push/' : arg)),
  ];
  const start = performance.now();
  const child = spawn(process.execPath, args, {
    env: bench.environment('n2'),
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, statusOf(child.pid ?? 0, 'VmHWM'))), 10);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.stdin?.end(JSON.stringify(events));
  const code = await ended;
  clearInterval(watch);
  if (code !== 0) throw new Error(`push of 3,000 events ended with ${code}`);
  return [
    {
      what: 'push of 3,000 events in one call',
      unit: 'ms',
      measured: performance.now() - start,
      limit: 3000,
      how: '3 s',
    },
    { what: 'push of 3,000 events, memory', unit: 'MB', measured: most, limit: 120, how: '120 MB' },
  ];
}

/** Puts events into the queue by one call of the command, as a watch does. */
async function push(bench: Bench, name: string, ids: readonly string[]): Promise<void> {
  const input = JSON.stringify(ids.map((ID, at) => ({ ID, Name: name, Payload: null, LTime: at + 1 })));
  const options = { input, env: bench.environment('n2'), encoding: 'utf8' } as const;
  const { status, stderr } = spawnSync(process.execPath, [command, 'push', ...bench.args('n2')], options);
  if (status !== 0) throw new Error(`push ended with ${status}: ${stderr}`);
}

/** ms of CPU that a process has used (Linux). */
function cpuOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const [ran = ''] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(ran) / 1e6;
  }, 0);
}

/** MB, from /proc/<pid>/status; 0 when the process is gone. */
function statusOf(pid: number, field: string): number {
  try {
    return (
      Number(
        new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0,
      ) / 1024
    );
  } catch {
    return 0;
  }
}

/** Watches, wired as deploy/consul shows: each step is a process of its own. */
export async function measureWatches(quick: boolean, floor: Floor): Promise<Figure> {
  const bench = await startBench(2);
  try {
    for (const name of ['n1', 'n2']) {
      const node = bench.cluster.node(name);
      const call = (handler: string) => [
        process.execPath,
        command,
        handler,
        ...bench.args(name),
        `--host=${node.host}`,
        `--port=${node.port}`,
      ];
      // The inbox's .keep must stand before the watch does: an empty prefix wakes for every change.
      await processTime(1, [command, 'execute', ...bench.args(name)], { env: bench.environment(name) });
      await node.configure({
        'watches.json': JSON.stringify({
          watches: [
            { type: 'event', handler_type: 'script', args: call('push') },
            {
              type: 'keyprefix',
              prefix: `${bench.prefix}inbox/${name}/`,
              handler_type: 'script',
              args: call('execute'),
            },
          ],
        }),
      });
    }
    await sleep(3000);
    const measured = await stepToStep(bench, 'turns', quick ? 1 : 3);
    const limit = 3 * (3 * floor.consulWrite.median + floor.shellSpawn.median) + 2 * floor.nodeStart.median;
    return {
      what: 'step to step, watches, from node to node',
      unit: 'ms',
      measured,
      limit,
      how: 'the agent’s limit + 2 x `node -e 0`',
    };
  } finally {
    await bench.close();
  }
}
