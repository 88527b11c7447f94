/** `npm run bench`: measures on a cluster that it starts itself, beside the floor of the same run. `-- --quick` for a first look. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { consulVersion } from '../support/agent.js';
import { root } from '../support/project.js';
import { type Figure, measureFigures, measureWatches } from './figures.js';
import type { Sample } from './measure.js';
import { measureMicro } from './micro.js';
import { plot } from './plot.js';
import { measureScale } from './scale.js';

const quick = process.argv.includes('--quick');
const sizes = quick ? [10, 100] : [10, 100, 1000];

const { floor, figures } = await measureFigures(quick);
figures.push(await measureWatches(quick, floor));
console.log(
  `\nFloor of this run: Consul write ${show(floor.consulWrite)} ms, shell ${show(floor.shellSpawn)} ms, node -e 0 ${show(floor.nodeStart)} ms\n`,
);
table(figures);

console.log(
  '\nSimulated nodes: five steps over all of them, 10,000 finished events in the history, 1,000 queued',
);
const scale = await measureScale(sizes, quick ? 1000 : 10_000, quick ? 100 : 1000);
for (const point of scale) {
  console.log(
    `  ${String(point.nodes).padStart(5)} nodes: ${point.msPerStep.toFixed(0)} ms a step, ${point.requestsPerTarget.toFixed(2)} requests and ${(point.bytesPerTarget / 1024).toFixed(1)} KiB a target; 6 N + 4 are ${(6 + 4 / point.nodes).toFixed(2)}, and every 31 targets need a transaction more to be assigned`,
  );
}
const widest = scale.at(-1);
if (widest !== undefined) {
  const { nodes, msPerStep, requestsPerTarget } = widest;
  console.log(
    `\nWhere it goes, for each of ${nodes} targets (${(msPerStep / nodes).toFixed(1)} ms, the handlers of all nodes and Consul share these cores; ${(msPerStep / nodes / requestsPerTarget).toFixed(2)} ms a request):`,
  );
  for (const [kind, count] of Object.entries(widest.kinds).toSorted(([, a], [, b]) => b - a))
    console.log(`  ${(count / nodes).toFixed(3).padStart(7)}  ${kind}`);
}

console.log('\nAlone, in this process:');
const micro = await measureMicro();
for (const { what, measured } of micro) console.log(`  ${what}: ${show(measured)} ms`);

const folder = join(root, 'build', 'bench');
mkdirSync(folder, { recursive: true });
const machine = {
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  node: process.version,
  consul: consulVersion().join('.'),
};
writeFileSync(
  join(folder, 'bench.json'),
  `${JSON.stringify({ at: new Date().toISOString(), machine, floor, figures, scale, micro }, null, 2)}\n`,
);
writeFileSync(join(folder, 'scale.svg'), plot(scale));
console.log(
  `\n${machine.cores} cores (${machine.cpu}), Node ${machine.node}, Consul ${machine.consul}; written to build/bench/bench.json and scale.svg`,
);

function table(rows: readonly Figure[]): void {
  const width = Math.max(...rows.map((row) => row.what.length));
  for (const row of rows) {
    const middle = typeof row.measured === 'number' ? row.measured : row.measured.median;
    const reached = middle <= row.limit ? 'reached' : 'NOT REACHED';
    console.log(
      `${row.what.padEnd(width)}  ${show(row.measured).padStart(22)} ${row.unit.padEnd(11)} limit ${number(row.limit).padStart(7)}  ${reached.padEnd(11)}  ${row.how}`,
    );
  }
}

/** `5.1 [4.2–9.0]`: median, least and most. */
function show(value: Sample | number): string {
  return typeof value === 'number'
    ? number(value)
    : `${number(value.median)} [${number(value.min)}–${number(value.max)}]`;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
