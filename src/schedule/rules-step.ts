import { durationOf, flagOf, get, numberOf, textOf } from './read.js';
import { type Fault, fault, warning } from './fault.js';
import { type Branch, joinPath } from './tree.js';

/** Those that a step does not have anyway. */
const ORDERS = ['reverse_sorted', 'shuffle'];
/** ms, where nothing says otherwise (src/run/plan.ts). */
const STEP_TIMEOUT = 3_600_000;
const HEALTHY_DEADLINE = 300_000;
const LOST_GRACE = 60_000;

/** Combinations of a step's options that cannot work (errors) or change nothing (warnings); `default.step` counts too. */
export function stepFaults(path: string, step: Branch, defaults: Branch | undefined): Fault[] {
  const faults: Fault[] = [];
  /** The option, wherever it comes from. */
  const option = (key: string) => get(step, key) ?? get(defaults, key);
  const on = (key: string) => flagOf(option(key)) === true;
  const has = (key: string) => option(key) !== undefined;
  /** The place of an option: the step itself when it comes from the defaults. */
  const at = (key: string) => get(step, key)?.keyAt ?? step.at;
  const wrong = (key: string, message: string, hint?: string) =>
    faults.push(fault(at(key), `${path}.${key}`, `${key}: ${message}`, hint));
  /** Only what the step says itself is worth a word: defaults are for other steps too. */
  const idle = (key: string, message: string, hint?: string) => {
    const branch = get(step, key);
    if (branch !== undefined)
      faults.push(warning(branch.keyAt, `${path}.${key}`, `${key}: without effect ${message}`, hint));
  };

  if (get(step, 'service') === undefined) {
    idle('tag', 'without "service": the step goes to every node');
    if (on('health_check')) wrong('health_check', 'expected "service" on the step, whose checks it looks at');
    const tags = get(get(step, 'when'), 'tags');
    if (tags !== undefined)
      faults.push(
        fault(
          tags.keyAt,
          `${path}.when.tags`,
          'when.tags: expected "service" on the step, whose tags it looks at',
        ),
      );
  }
  if (has('canary')) {
    const healthy = on('health_check') && durationOf(option('min_healthy_time')) !== undefined;
    if (!on('approve') && !healthy)
      wrong(
        'canary',
        'expected something that decides after it',
        'add "approve: true", or "health_check: true" with "min_healthy_time"',
      );
  }
  if (on('run_once')) {
    for (const key of ['serial', 'canary'])
      if (has(key))
        wrong(key, 'cannot stand with run_once, which has one target only', 'remove one of the two');
    idle('max_fail_percentage', 'with run_once, which has one target only');
  } else if (!has('serial') && !has('canary') && ORDERS.includes(textOf(option('order')) ?? ''))
    idle('order', 'without serial, canary or run_once: all targets start at once');
  if (!on('health_check')) {
    for (const key of ['min_healthy_time', 'healthy_deadline']) idle(key, 'without "health_check: true"');
  } else {
    const least = durationOf(option('min_healthy_time')) ?? 10_000;
    const most = durationOf(option('healthy_deadline')) ?? 300_000;
    if (most <= least)
      wrong(
        get(step, 'healthy_deadline') === undefined ? 'min_healthy_time' : 'healthy_deadline',
        'expected a healthy_deadline longer than min_healthy_time (10 s when absent)',
      );
  }
  if (on('any_errors_fatal') && on('ignore_errors'))
    wrong('any_errors_fatal', 'cannot stand with ignore_errors', 'remove one of the two');
  if (on('any_errors_fatal'))
    idle('max_fail_percentage', 'beside any_errors_fatal, which allows no failure at all');
  if (on('ignore_errors'))
    for (const key of ['max_fail_percentage', 'ignore_unreachable']) idle(key, 'beside ignore_errors');
  faults.push(...timeFaults(path, step, option));
  if ((numberOf(option('retries')) ?? 0) === 0) {
    for (const key of ['retry_delay', 'retry_backoff']) idle(key, 'without "retries"');
  }
  return faults;
}

/** Times of a step, as the page says them, that end before another one can come. */
function timeFaults(path: string, step: Branch, option: (key: string) => Branch | undefined): Fault[] {
  const faults: Fault[] = [];
  const time = (key: string, otherwise: number) => durationOf(option(key)) ?? otherwise;
  /** Only where the step itself says one of the two. */
  const tell = (key: string, other: string, message: string, hint: string) => {
    const branch = get(step, key) ?? get(step, other);
    if (branch !== undefined)
      faults.push(warning(branch.keyAt, joinPath(path, key), `${key}: ${message}`, hint));
  };
  const whole = time('step_timeout', STEP_TIMEOUT);
  if (time('timeout', 0) > whole)
    tell(
      'timeout',
      'step_timeout',
      'longer than step_timeout, which ends the task before',
      'raise step_timeout',
    );
  if (flagOf(option('health_check')) === true && time('healthy_deadline', HEALTHY_DEADLINE) >= whole)
    tell(
      'healthy_deadline',
      'step_timeout',
      'not before step_timeout, which ends the step before a target is found unhealthy',
      'raise step_timeout',
    );
  const most = Math.max(1000, time('lost_grace', LOST_GRACE) / 3);
  if (time('grace', 0) > most)
    tell(
      'grace',
      'lost_grace',
      'longer than a third of lost_grace, and cut to that: a task must have ended before it is called lost',
      `raise lost_grace to ${Math.ceil((time('grace', 0) * 3) / 1000)}s or more`,
    );
  return faults;
}
