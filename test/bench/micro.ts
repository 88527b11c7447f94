/** The pure parts that grow with a step or a file, alone: no Consul, no process. */
import { measure } from 'mitata';
import { advance } from '../../src/run/advance.js';
import { parseSchedule } from '../../src/schedule/parse.js';
import { at, observe, runOf, START } from '../run/_look.js';
import type { Sample } from './measure.js';

export interface Micro {
  readonly what: string;
  /** ms a call. */
  readonly measured: Sample;
}

const NODES = 1000;

export async function measureMicro(): Promise<Micro[]> {
  const names = Array.from({ length: NODES }, (_, no) => `node-${no}`);
  const run = runOf([{}], { step: at(names.join(' ')) });
  const all = Object.fromEntries(names.map((name) => [name, 'success' as const]));
  const look = (outcomes: Record<string, 'success' | 'inprogress'>) => observe({ outcomes, nodes: names });
  const [half, done] = [look({ ...all, [names[0] as string]: 'inprogress' }), look(all)];
  const now = { at: START + 1000, by: 'here' };
  const limits = { maxClockSkew: 300_000 };
  const file = scheduleOf(100);
  return [
    await one(`advance, the last of ${NODES} targets is at work`, () => advance(run, half, now, limits)),
    await one(`advance, ${NODES} targets are done`, () => advance(run, done, now, limits)),
    await one('a schedule file of 100 events and tasks', () => parseSchedule(file, '/etc/m/web/task.yml')),
  ];
}

async function one(what: string, work: () => unknown): Promise<Micro> {
  const { p50, min, max, samples } = await measure(work);
  const ms = (ns: number) => ns / 1e6;
  return { what, measured: { median: ms(p50), min: ms(min), max: ms(max), runs: samples.length } };
}

function scheduleOf(events: number): string {
  const numbers = Array.from({ length: events }, (_, no) => no);
  return `events:
${numbers.map((no) => `  e${no}: {ordered_tasks: [{service: db, task: t${no}}, {service: app, task: t${no}}]}`).join('\n')}
tasks:
${numbers.map((no) => `  t${no}: {operations: [{execute: {script: 'echo ${no}'}}]}`).join('\n')}
`;
}
