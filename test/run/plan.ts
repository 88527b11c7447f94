import test from 'ava';
import {
  concurrencyOf,
  definitionsOf,
  eventNames,
  plan,
  startRules,
  STEP_DEFAULTS,
} from '../../src/run/plan.js';
import type { EventDefinition, Schedule, StepDefinition, StepOptions } from '../../src/schedule/types.js';

const place = { file: '/x/task.yml', line: 1, column: 1 };
const step = (task: string, more: Partial<StepDefinition> = {}): StepDefinition => ({ task, place, ...more });

function event(steps: string, more: Partial<EventDefinition> = {}): EventDefinition {
  return {
    name: 'deploy',
    description: '',
    priority: 50,
    steps: steps.split(' ').map((task) => step(task)),
    rescue: [],
    always: [],
    place,
    ...more,
  };
}

function schedule(
  pattern: string,
  events: Readonly<Record<string, EventDefinition>>,
  defaults: StepOptions = {},
): Schedule {
  return {
    file: `/x/${pattern}/task.yml`,
    folder: `/x/${pattern}`,
    pattern,
    hash: '',
    variables: {},
    environments: {},
    defaults: { step: defaults, operations: {} },
    events,
    tasks: {},
    schedules: [],
  };
}

const tasks = (schedules: readonly Schedule[], name = 'deploy') =>
  plan(schedules, name, true)?.map(
    (one) => `${one.no} ${one.pattern}/${one.task}${one.section === 'main' ? '' : ` ${one.section}`}`,
  );

const one = schedule('one', { deploy: event('a b') });
const two = schedule('two', { deploy: event('c', { priority: 10 }) });
const three = schedule('three', { deploy: event('d'), other: event('e') });

const ORDER: readonly (readonly [what: string, schedules: Schedule[], expected: string[] | undefined])[] = [
  ['as written', [one], ['0 one/a', '1 one/b']],
  ['low priority first', [one, two], ['0 two/c', '1 one/a', '2 one/b']],
  ['ties in the order of files', [three, one], ['0 three/d', '1 one/a', '2 one/b']],
  ['ties the other way', [one, three, two], ['0 two/c', '1 one/a', '2 one/b', '3 three/d']],
  ['nobody defines it', [schedule('x', { other: event('e') })], undefined],
  ['no files', [], undefined],
];
for (const [what, schedules, expected] of ORDER) {
  test(`plan: ${what}`, (t) => {
    t.deepEqual(tasks(schedules), expected);
  });
}

test('rescue and always steps of all files come after all main steps', (t) => {
  const full = (pattern: string, priority: number) =>
    schedule(pattern, {
      deploy: event('m', { priority, rescue: [step('r')], always: [step('w'), step('x')] }),
    });
  t.deepEqual(tasks([full('q', 90), full('p', 1)]), [
    '0 p/m',
    '1 q/m',
    '2 p/r rescue',
    '3 q/r rescue',
    '4 p/w always',
    '5 p/x always',
    '6 q/w always',
    '7 q/x always',
  ]);
});

test('an event named like a property of every object is not defined', (t) => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty'])
    t.is(plan([one], name, true), undefined);
});

test('every default is filled in', (t) => {
  t.deepEqual(plan([schedule('p', { deploy: event('a') })], 'deploy', true), [
    {
      no: 0,
      section: 'main',
      pattern: 'p',
      task: 'a',
      skippable: true,
      startTimeout: 120_000,
      stepTimeout: 3_600_000,
      lostGrace: 60_000,
      onLost: 'fail',
      grace: 10_000,
    },
  ]);
  t.is(STEP_DEFAULTS.minHealthyTime, 10_000);
  t.is(STEP_DEFAULTS.healthyDeadline, 300_000);
});

const SKIPPABLE: readonly (readonly [
  config: boolean,
  file: boolean | undefined,
  step: boolean | undefined,
  expected: boolean,
])[] = [
  [true, undefined, undefined, true],
  [false, undefined, undefined, false],
  [true, false, undefined, false],
  [false, true, undefined, true],
  [true, true, false, false],
  [false, false, true, true],
];
for (const [config, file, own, expected] of SKIPPABLE) {
  test(`skippable: configuration ${config}, file ${file}, step ${own}`, (t) => {
    const definition = event('', { steps: [step('a', own === undefined ? {} : { skippable: own })] });
    const defaults = file === undefined ? {} : { skippable: file };
    t.is(plan([schedule('p', { deploy: definition }, defaults)], 'deploy', config)?.[0]?.skippable, expected);
  });
}

test("a file's defaults are for its own steps, and a step's own words win", (t) => {
  const definition = event('', {
    steps: [
      step('a', { service: 'app', tag: 'web' }),
      step('b', { startTimeout: 5, serial: [{ count: 2 }] }),
    ],
  });
  const defaults: StepOptions = {
    startTimeout: 1,
    stepTimeout: 2,
    lostGrace: 3,
    onLost: 'retry',
    grace: 4,
    timeout: 6,
    serial: [{ percent: 10 }],
    runOnce: false,
    ignoreErrors: true,
  };
  const [a, b, c] = plan([schedule('p', { deploy: definition }, defaults), one], 'deploy', true) ?? [];
  t.like(a, {
    service: 'app',
    tag: 'web',
    startTimeout: 1,
    stepTimeout: 2,
    lostGrace: 3,
    onLost: 'retry',
    grace: 4,
    timeout: 6,
    ignoreErrors: true,
  });
  t.deepEqual(a?.serial, [{ percent: 10 }]);
  t.false('runOnce' in (a ?? {}));
  t.like(b, { startTimeout: 5, stepTimeout: 2 });
  t.deepEqual(b?.serial, [{ count: 2 }]);
  t.like(c, { startTimeout: 120_000, onLost: 'fail' });
});

test('a health check brings its times, and without one there are none', (t) => {
  const of = (options: StepOptions) =>
    plan([schedule('p', { deploy: event('', { steps: [step('a', options)] }) })], 'deploy', true)?.[0]
      ?.healthCheck;
  t.deepEqual(of({ healthCheck: true }), { minHealthyTime: 10_000, healthyDeadline: 300_000 });
  t.deepEqual(of({ healthCheck: true, minHealthyTime: 0, healthyDeadline: 5 }), {
    minHealthyTime: 0,
    healthyDeadline: 5,
  });
  t.is(of({ minHealthyTime: 5 }), undefined);
  t.is(of({ healthCheck: false }), undefined);
});

test('every option of a step reaches the run', (t) => {
  const options: StepOptions = {
    order: 'shuffle',
    canary: 1,
    approve: true,
    maxFailPercentage: 0,
    anyErrorsFatal: true,
    ignoreUnreachable: true,
    runOnce: true,
    quorum: { percent: 50 },
    waitFor: [{ service: 'db', passing: 'all' }],
    retries: 2,
    retryDelay: 10,
    retryBackoff: 2,
    successCodes: [0, 3],
    when: { tags: ['x'] },
  };
  t.like(
    plan([schedule('p', { deploy: event('', { steps: [step('a', options)] }) })], 'deploy', true)?.[0],
    options,
  );
});

test('concurrency, window and buffer period come from the first definition that has one', (t) => {
  const concurrency = { group: 'web', limit: 2, cancelInProgress: true };
  const window = { days: [1], start: 0, end: 60, timeZone: 'UTC' };
  const bufferPeriod = { min: 1, max: 2 };
  const late = schedule('late', {
    deploy: event('a', { priority: 90, concurrency: { ...concurrency, group: 'x' } }),
  });
  const early = schedule('early', { deploy: event('a', { priority: 1, concurrency }) });
  t.deepEqual(concurrencyOf([late, early, one], 'deploy'), concurrency);
  t.deepEqual(concurrencyOf([one], 'deploy'), { group: 'default', limit: 1, cancelInProgress: false });
  const gated = schedule('gated', { deploy: event('a', { window, bufferPeriod }) });
  t.deepEqual(startRules([one, gated], 'deploy'), { planned: true, window, bufferPeriod });
  t.deepEqual(startRules([one], 'deploy'), { planned: true });
  t.deepEqual(startRules([one], 'other'), { planned: false });
});

test('the events of all files, once each, sorted', (t) => {
  t.deepEqual(eventNames([three, one]), ['deploy', 'other']);
  t.is(definitionsOf([three, one], 'deploy').length, 2);
});
