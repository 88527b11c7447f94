/** Random schedules and clusters for the model. */
import type { Rerun, StepSpec } from '../../src/run/types.js';
import type { BatchSize } from '../../src/schedule/types.js';
import type { Random } from './_random.js';

export const SERVICES = ['a', 'b'] as const;
const TAGS = ['blue', 'green'] as const;

/** A node of the simulated cluster. */
export interface Host {
  readonly name: string;
  /** How far its clock is from the true time (ms). */
  readonly skew: number;
  services: readonly string[];
  tags: readonly string[];
  /** It runs. */
  up: boolean;
  /** It reaches Consul's servers. */
  linked: boolean;
  /** Consul's members take its agent for alive. */
  alive: boolean;
  /** It stands in the catalog. */
  listed: boolean;
  /** The checks of its services pass. */
  passing: boolean;
  /** Its boot id. */
  boot: number;
}

export function randomHosts(random: Random): Host[] {
  return Array.from({ length: random.whole(1, 6) }, (_, at) => ({
    name: `n${at}`,
    // Clocks up to three minutes apart.
    skew: random.whole(-90_000, 90_000),
    services: SERVICES.filter(() => random.chance(0.75)),
    tags: TAGS.filter(() => random.chance(0.7)),
    up: true,
    linked: true,
    alive: true,
    listed: at === 0 || random.chance(0.9),
    passing: random.chance(0.8),
    boot: 1,
  }));
}

export function randomSteps(random: Random): StepSpec[] {
  const steps: StepSpec[] = [];
  if (random.chance(0.03)) return steps;
  const add = (section: StepSpec['section'], many: number) => {
    for (let at = 0; at < many; at += 1) steps.push(randomStep(random, steps.length, section));
  };
  add('main', random.whole(1, 3));
  add('rescue', random.chance(0.4) ? random.whole(1, 2) : 0);
  add('always', random.chance(0.4) ? random.whole(1, 2) : 0);
  return steps;
}

export function randomRerun(random: Random, steps: readonly StepSpec[], hosts: readonly Host[]): Rerun {
  const main = steps.filter((step) => step.section === 'main');
  const done = main.map(({ no }) => [no, hosts.map(({ name }) => name).filter(() => random.chance(0.4))]);
  return {
    Of: 'before',
    From: random.whole(0, main.length - 1),
    Done: Object.fromEntries(done) as Rerun['Done'],
  };
}

const SERIALS: readonly (readonly BatchSize[])[] = [
  [{ count: 1 }],
  [{ count: 2 }],
  [{ percent: 30 }],
  [{ percent: 50 }],
  [{ count: 1 }, { percent: 50 }, { percent: 100 }],
];

function randomStep(random: Random, no: number, section: StepSpec['section']): StepSpec {
  return {
    no,
    section,
    pattern: 'pattern',
    task: `t${no}`,
    ...random.maybe(0.9, 'service', () => random.pick(SERVICES)),
    skippable: random.chance(0.5),
    startTimeout: random.pick([20_000, 120_000]),
    stepTimeout: random.pick([90_000, 900_000, 1_800_000]),
    lostGrace: random.pick([15_000, 60_000]),
    onLost: random.pick(['fail', 'retry', 'hold']),
    grace: random.pick([1000, 10_000]),
    ...random.maybe(0.4, 'serial', () => random.pick(SERIALS)),
    ...random.maybe(0.4, 'order', () => random.pick(['sorted', 'reverse_sorted', 'shuffle'] as const)),
    ...random.maybe(0.2, 'canary', () => random.whole(1, 2)),
    ...random.maybe(0.1, 'approve', () => true as const),
    ...random.maybe(0.3, 'maxFailPercentage', () => random.pick([0, 25, 50, 100])),
    ...random.maybe(0.15, 'anyErrorsFatal', () => true as const),
    ...random.maybe(0.2, 'ignoreErrors', () => true as const),
    ...random.maybe(0.3, 'ignoreUnreachable', () => true as const),
    ...random.maybe(0.1, 'runOnce', () => true as const),
    ...random.maybe(0.15, 'quorum', () => random.pick([{ count: 1 }, { count: 3 }, { percent: 60 }])),
    ...random.maybe(0.25, 'healthCheck', () => ({
      minHealthyTime: random.pick([0, 10_000]),
      healthyDeadline: 120_000,
    })),
    ...random.maybe(0.1, 'waitFor', () => [
      { service: random.pick(SERVICES), passing: random.pick([1, 2, 'all'] as const) },
    ]),
    ...random.maybe(0.15, 'when', () =>
      random.pick([
        { tags: ['blue'] },
        { meta: { zone: ['east'] } },
        { steps: { t0: ['success', 'error'] } },
      ]),
    ),
  };
}
