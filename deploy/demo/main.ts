/**
 * `npm run demo`: one event, in order, over a real Consul cluster of five nodes on this machine.
 * Exit code 0 only if databases came before application servers before the load balancer, once each.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { consulProgram, consulVersion } from '../../test/support/agent.js';
import { consulApi, type Cluster } from '../../test/support/cluster.js';
import { lastWords, NODES, PREFIX, records, startNodes, startTicks, TIERS, wire } from './nodes.js';
import { Display, type Progress, readProgress } from './progress.js';
import { drawTimeline, orderProblems, spansOf } from './timeline.js';

const LIMIT = 60_000;
const say = (text = '') => process.stdout.write(`${text}\n`);

function fire(cluster: Cluster): string {
  const { host, port } = cluster.node('app1');
  const printed = execFileSync(consulProgram(), ['event', `-http-addr=${host}:${port}`, '-name=configure'], {
    encoding: 'utf8',
  });
  const id = /Event ID: (\S+)/.exec(printed)?.[1];
  if (id === undefined) throw new Error(`consul event printed no event id: ${printed}`);
  return id;
}

/** Follows the run in Consul's store until it is over. */
async function follow(cluster: Cluster, id: string): Promise<Progress> {
  const rows = NODES.map(({ name, service, tags }) => ({ node: name, role: [service, ...tags].join(', ') }));
  const start = performance.now();
  const display = new Display(rows, process.stdout, start);
  const api = consulApi(cluster.node('lb1'));
  for (;;) {
    const progress = readProgress(await api.kvTree(`${PREFIX}results/${id}`), PREFIX, id);
    display.show(progress, performance.now());
    if (progress.status !== undefined && progress.status !== 'inprogress') return progress;
    if (performance.now() - start > LIMIT) return progress;
    await sleep(50);
  }
}

async function demonstrate(cluster: Cluster): Promise<boolean> {
  say();
  say('$ consul event -name=configure');
  const fired = Date.now();
  const id = fire(cluster);
  say(`  event ${id}: every node hears of it at once`);
  say();
  const progress = await follow(cluster, id);

  const { spans, problems } = spansOf(records(cluster), id);
  say();
  if (spans.length > 0) for (const line of drawTimeline(spans, fired)) say(`  ${line}`);
  say();
  if (progress.status !== 'success') {
    problems.unshift(
      `the event ended as ${progress.status ?? 'nothing'}: ${progress.reason ?? 'no reason given'}`,
    );
  }
  problems.push(...orderProblems(TIERS, spans));
  if (problems.length > 0) {
    for (const line of lastWords(cluster)) say(line);
    say(`The order did not hold: ${problems.join('; ')}.`);
    return false;
  }
  say(`The order held: ${TIERS.map(({ what }) => what).join(' -> ')}; each node ran its task once.`);
  return true;
}

async function main(): Promise<number> {
  // The shell may speak to a Consul of its own: nothing of the demo may.
  for (const name of Object.keys(process.env)) {
    if (/^(CONSUL_(?!BIN$)|METRONOME_)/.test(name)) delete process.env[name];
  }
  const start = performance.now();
  const elapsed = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  say('metronome demo: one Consul event, in order, over five nodes (all on this machine)');
  const program = consulProgram();
  const cluster = await startNodes();
  let ended = false;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      if (ended) return;
      ended = true;
      say('\nInterrupted; ending the cluster.');
      void cluster.close().then(() => process.exit(code));
    });
  }
  try {
    say(`Consul ${consulVersion().join('.')} (${program}): a server and four clients up after ${elapsed()}`);
    for (const { name, service, tags } of NODES) say(`  ${name.padEnd(5)} ${[service, ...tags].join(', ')}`);
    const ticks = startTicks(cluster, 5000);
    await wire(cluster);
    say(`Services registered, watches and timers wired to metronome after ${elapsed()}`);
    const held = await demonstrate(cluster);
    ticks.stop();
    return held ? 0 : 1;
  } catch (error) {
    // The cluster was ended under us.
    if (ended) return await new Promise<never>(() => undefined);
    throw error;
  } finally {
    if (!ended) await cluster.close();
    say(`All ended and cleaned up after ${elapsed()}.`);
  }
}

process.exitCode = await main();
