import type { EventDefinition, Schedule, StepDefinition } from '../schedule/types.js';
import type { StartRules } from './admission.js';
import type { Section, StepSpec } from './types.js';

/** Defaults in ms, from the rules in the README and deploy/SCHEDULE.md. */
export const STEP_DEFAULTS = {
  startTimeout: 120_000,
  stepTimeout: 3_600_000,
  lostGrace: 60_000,
  grace: 10_000,
  minHealthyTime: 10_000,
  healthyDeadline: 300_000,
} as const;

/** The schedule files that define an event: by priority, low first, ties in the order of `files` (rule 2). */
export function definitionsOf(
  schedules: readonly Schedule[],
  event: string,
): { schedule: Schedule; definition: EventDefinition }[] {
  return schedules
    .flatMap((schedule) => {
      const definition = Object.hasOwn(schedule.events, event) ? schedule.events[event] : undefined;
      return definition === undefined ? [] : [{ schedule, definition }];
    })
    .sort((a, b) => a.definition.priority - b.definition.priority);
}

/** The names of all events that these files define, sorted. */
export function eventNames(schedules: readonly Schedule[]): string[] {
  return [...new Set(schedules.flatMap((schedule) => Object.keys(schedule.events)))].sort();
}

/**
 * The steps of an event, numbered from 0 over the whole run: the main steps of every file that defines
 * it, then all `rescue`, then all `always` steps. Undefined when no file defines the event.
 * `skippable` is the configuration's, for steps that do not say.
 */
export function plan(
  schedules: readonly Schedule[],
  event: string,
  skippable: boolean,
): StepSpec[] | undefined {
  const definitions = definitionsOf(schedules, event);
  if (definitions.length === 0) return undefined;
  const steps: StepSpec[] = [];
  const add = (section: Section, of: (definition: EventDefinition) => readonly StepDefinition[]) => {
    for (const { schedule, definition } of definitions) {
      for (const step of of(definition))
        steps.push(specify(schedule, step, steps.length, section, skippable));
    }
  };
  add('main', (definition) => definition.steps);
  add('rescue', (definition) => definition.rescue);
  add('always', (definition) => definition.always);
  return steps;
}

/** The concurrency of an event: the first definition that names one; otherwise the group `default` with one slot. */
export function concurrencyOf(
  schedules: readonly Schedule[],
  event: string,
): { group: string; limit: number; cancelInProgress: boolean } {
  for (const { definition } of definitionsOf(schedules, event)) {
    if (definition.concurrency !== undefined) return definition.concurrency;
  }
  return { group: 'default', limit: 1, cancelInProgress: false };
}

/** What the files say about starting an event: its window and buffer period, from the first definition that has one. */
export function startRules(schedules: readonly Schedule[], event: string): StartRules {
  const definitions = definitionsOf(schedules, event).map(({ definition }) => definition);
  const window = definitions.find((definition) => definition.window !== undefined)?.window;
  const bufferPeriod = definitions.find((definition) => definition.bufferPeriod !== undefined)?.bufferPeriod;
  return {
    planned: definitions.length > 0,
    ...keep('window', window),
    ...keep('bufferPeriod', bufferPeriod),
  };
}

function specify(
  schedule: Schedule,
  step: StepDefinition,
  no: number,
  section: Section,
  skippable: boolean,
): StepSpec {
  const merged = { ...schedule.defaults.step, ...step };
  return {
    no,
    section,
    pattern: schedule.pattern,
    task: step.task,
    ...(step.service === undefined ? {} : { service: step.service }),
    ...(step.tag === undefined ? {} : { tag: step.tag }),
    skippable: merged.skippable ?? skippable,
    startTimeout: merged.startTimeout ?? STEP_DEFAULTS.startTimeout,
    stepTimeout: merged.stepTimeout ?? STEP_DEFAULTS.stepTimeout,
    lostGrace: merged.lostGrace ?? STEP_DEFAULTS.lostGrace,
    onLost: merged.onLost ?? 'fail',
    grace: merged.grace ?? STEP_DEFAULTS.grace,
    ...keep('timeout', merged.timeout),
    ...keep('serial', merged.serial),
    ...keep('order', merged.order),
    ...keep('canary', merged.canary),
    ...flag('approve', merged.approve),
    ...keep('maxFailPercentage', merged.maxFailPercentage),
    ...flag('anyErrorsFatal', merged.anyErrorsFatal),
    ...flag('ignoreErrors', merged.ignoreErrors),
    ...flag('ignoreUnreachable', merged.ignoreUnreachable),
    ...flag('runOnce', merged.runOnce),
    ...keep('quorum', merged.quorum),
    ...(merged.healthCheck === true
      ? {
          healthCheck: {
            minHealthyTime: merged.minHealthyTime ?? STEP_DEFAULTS.minHealthyTime,
            healthyDeadline: merged.healthyDeadline ?? STEP_DEFAULTS.healthyDeadline,
          },
        }
      : {}),
    ...keep('waitFor', merged.waitFor),
    ...keep('retries', merged.retries),
    ...keep('retryDelay', merged.retryDelay),
    ...keep('retryBackoff', merged.retryBackoff),
    ...keep('successCodes', merged.successCodes),
    ...keep('when', merged.when),
  };
}

function keep<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

function flag<K extends string>(key: K, value: boolean | undefined): { [P in K]?: true } {
  return (value === true ? { [key]: true } : {}) as { [P in K]?: true };
}
