import test from 'ava';
import type { StepSpec } from '../../src/run/types.js';
import { after, at, decide, type Look, next, runOf, say, START } from './_look.js';

const MINUTE = 60_000;
const nodes = ['a', 'b'];
type Row = readonly [what: string, spec: Partial<StepSpec>, look: Look, expected: string];

const TABLE: readonly Row[] = [
  ['both succeeded', {}, { nodes, outcomes: { a: 'success', b: 'success' } }, '0 success, step 1'],
  ['one at work', {}, { nodes, outcomes: { a: 'success', b: 'inprogress' } }, 'wait: targets are at work'],
  ['one has not begun', {}, { nodes, outcomes: { a: 'success' } }, 'wait: targets are at work'],
  [
    'all skipped by their variables',
    {},
    { nodes, outcomes: { a: 'skip', b: 'skip' } },
    '0 skip: skipped on all its targets, step 1',
  ],
  ['some skipped', {}, { nodes, outcomes: { a: 'skip', b: 'success' } }, '0 success, step 1'],
  [
    'an error',
    {},
    { nodes, outcomes: { a: 'success', b: { reason: 'exit code 3' } } },
    '0 error: b: exit code 3, end error: step 0 t0: b: exit code 3',
  ],
  [
    'an error waits for the others',
    {},
    { nodes, outcomes: { a: 'error', b: 'inprogress' } },
    'wait: targets are at work',
  ],
  [
    'two errors',
    {},
    { nodes, outcomes: { a: { reason: 'x' }, b: 'error' } },
    '0 error: a: x (and 1 more), end error: step 0 t0: a: x (and 1 more)',
  ],
  [
    'a task timed out',
    {},
    { nodes, outcomes: { a: 'success', b: 'timeout' } },
    '0 timeout: b: timeout, end timeout: step 0 t0: b: timeout',
  ],
  [
    'an error weighs more than a timeout',
    {},
    { nodes, outcomes: { a: 'timeout', b: { reason: 'x' } } },
    '0 error: a: timeout (and 1 more), end error: step 0 t0: a: timeout (and 1 more)',
  ],
  [
    'a task was cancelled by its node',
    {},
    { nodes, outcomes: { a: 'success', b: 'cancelled' } },
    '0 cancelled: b: cancelled, end cancelled: step 0 t0: b: cancelled',
  ],
  // step_timeout
  [
    'one ms before step_timeout',
    {},
    { nodes, outcomes: { a: 'success', b: 'inprogress' }, after: 60 * MINUTE - 1 },
    'wait: targets are at work',
  ],
  [
    'step_timeout: one did not finish',
    {},
    { nodes, outcomes: { a: 'success', b: 'inprogress' }, after: 60 * MINUTE },
    'stop timeout: b did not finish after 1 h',
  ],
  [
    'step_timeout: one did not start',
    {},
    { nodes, outcomes: { a: 'inprogress' }, after: 60 * MINUTE },
    'stop timeout: a did not finish; b did not start (is metronome running there?) after 1 h',
  ],
  [
    'all finished before anybody looked',
    {},
    { nodes, outcomes: { a: 'success', b: 'success' }, after: 900 * MINUTE },
    '0 success, step 1',
  ],
  // Missing inbox keys
  [
    'an inbox key is missing',
    {},
    { nodes, outcomes: { a: 'inprogress' }, claims: { a: 'held' } },
    'assign b#1',
  ],
  ['both are missing', {}, { nodes, claims: {} }, 'assign a#1 b#1'],
  ['nobody looked at the inboxes', {}, { nodes }, 'wait: targets are at work'],
  ['all keys stand', {}, { nodes, claims: { a: 'free', b: 'free' } }, 'wait: targets are at work'],
  [
    'a finished target needs no key',
    {},
    { nodes, outcomes: { a: 'success', b: 'error' }, claims: {} },
    '0 error: b: error, end error: step 0 t0: b: error',
  ],
];
for (const [what, spec, look, expected] of TABLE) {
  test(`running: ${what}`, (t) => {
    const steps = expected.endsWith('step 1') ? [spec, {}] : [spec];
    t.is(say(runOf(steps, { step: at('a b') }), look), expected);
  });
}

// Unreachable ---------------------------------------------------------------------------------------

const free = { a: 'free', b: 'free' } as const;

test('a target whose agent is down has start_timeout to come back', (t) => {
  const run = next(runOf([{}], { step: at('a b') }), { nodes: ['a', 'b down'] });
  t.deepEqual(run.step.marks, { b: { down: { at: START, by: 'here' } } });
  const down = { nodes: ['a', 'b down'], outcomes: { a: 'success' }, claims: free } as const;
  t.is(say(run, { ...down, after: 2 * MINUTE - 1 }), 'wait: targets are at work');
  t.is(
    say(run, { ...down, after: 2 * MINUTE }),
    'settle b error: unreachable: its Consul agent has been down for 2 m',
  );
  t.is(say(run, { ...down, claims: { b: 'held' }, after: 2 * MINUTE }), 'wait: targets are at work');
  const { claims: _, ...blind } = down;
  t.is(say(run, { ...blind, after: 2 * MINUTE }), 'wait: targets are at work');
});

test('what is written for an unreachable target checks that it has not begun', (t) => {
  const run = next(runOf([{}], { step: at('a b') }), { nodes: ['a'], claims: free });
  t.deepEqual(decide(run, { nodes: ['a'], claims: { a: 'free', b: 'free' }, after: 2 * MINUTE }), {
    kind: 'settle',
    settlements: [
      {
        node: 'b',
        status: 'error',
        reason: 'unreachable: its Consul agent has been down for 2 m',
        unreachable: true,
        attempt: 1,
        outcomeIndex: 0,
        inboxIndex: 5,
      },
    ],
  });
});

test('one that came back, or began, is not unreachable', (t) => {
  const run = next(runOf([{}], { step: at('a b') }), { nodes: ['a', 'b down'] });
  t.deepEqual(next(run, { nodes }).step.marks, {});
  t.deepEqual(next(run, { nodes: ['a', 'b down'], outcomes: { b: 'inprogress' } }).step.marks, {});
  const back = after(run, { nodes }, { nodes: ['a', 'b down'], after: MINUTE });
  t.deepEqual(back.step.marks['b']?.down, { at: START + MINUTE, by: 'here' });
  t.is(say(back, { nodes: ['a', 'b down'], claims: free, after: 2 * MINUTE }), 'wait: targets are at work');
});

const unreachable = { status: 'error', unreachable: true, reason: 'unreachable' } as const;
test('ignore_unreachable passes over those, and over no other failure', (t) => {
  const step = at('a b');
  const look = (b: object): Look => ({ nodes, outcomes: { a: 'success', b } });
  t.is(
    say(runOf([{}], { step }), look(unreachable)),
    '0 error: b: unreachable, end error: step 0 t0: b: unreachable',
  );
  t.is(say(runOf([{ ignoreUnreachable: true }], { step }), look(unreachable)), '0 success, end success');
  t.is(
    say(runOf([{ ignoreUnreachable: true }], { step }), look({ reason: 'x' })),
    '0 error: b: x, end error: step 0 t0: b: x',
  );
});

// Health --------------------------------------------------------------------------------------------

const healthy = { healthCheck: { minHealthyTime: 10_000, healthyDeadline: 300_000 } };
const succeeded = { a: 'success' } as const;

test('a target is done when its checks have been passing for min_healthy_time', (t) => {
  const run = next(runOf([healthy], { step: at('a') }), { nodes: ['a'], outcomes: succeeded });
  const stamp = { at: START, by: 'here' };
  t.deepEqual(run.step.marks, { a: { watched: stamp, healthy: stamp } });
  t.is(say(run, { nodes: ['a'], outcomes: succeeded, after: 9999 }), 'wait: targets are at work');
  const settled = next(run, { nodes: ['a'], outcomes: succeeded, after: 10_000 });
  t.is(settled.step.marks['a']?.settled, true);
  t.is(say(settled, { nodes: ['a'], outcomes: succeeded, after: 10_000 }), '0 success, end success');
});

test('nothing is decided from health that is not written yet: another dispatcher may see it otherwise', (t) => {
  const now = { ...healthy, healthCheck: { ...healthy.healthCheck, minHealthyTime: 0 } };
  const look = { nodes: ['a'], outcomes: succeeded } as const;
  const run = next(runOf([now], { step: at('a') }), look);
  t.is(run.ended.length, 0);
  t.is(run.step.marks['a']?.settled, true);
  t.is(say(run, look), '0 success, end success');
});

test('without a look at the checks nobody is healthy', (t) => {
  const run = next(runOf([healthy], { step: at('a') }), { nodes: ['a'], outcomes: succeeded });
  t.is(say(run, { outcomes: succeeded, after: 20_000 }), 'wait: targets are at work');
});

test('checks that flap begin their time anew', (t) => {
  const run = after(
    runOf([healthy], { step: at('a') }),
    { nodes: ['a'], outcomes: succeeded },
    { nodes: ['a failing'], outcomes: succeeded, after: 8000 },
    { nodes: ['a'], outcomes: succeeded, after: 9000 },
  );
  t.is(run.step.marks['a']?.healthy?.at, START + 9000);
  t.is(run.step.marks['a']?.watched?.at, START);
  t.is(say(run, { nodes: ['a'], outcomes: succeeded, after: 18_999 }), 'wait: targets are at work');
  t.is(next(run, { nodes: ['a'], outcomes: succeeded, after: 19_000 }).step.marks['a']?.settled, true);
});

for (const state of ['a failing', 'a down', 'b'] as const) {
  test(`not healthy within healthy_deadline: ${state}`, (t) => {
    const run = next(runOf([healthy], { step: at('a') }), { nodes: [state], outcomes: succeeded });
    const look = { nodes: [state], outcomes: succeeded };
    const decision = decide(run, { ...look, after: 300_000 });
    if (state !== 'b') t.is(say(run, { ...look, after: 299_999 }), 'wait: targets are at work');
    t.deepEqual(decision, {
      kind: 'settle',
      settlements: [
        {
          node: 'a',
          status: 'error',
          reason: 'unhealthy: its checks did not pass for 10 s within 5 m',
          attempt: 1,
          outcomeIndex: 7,
        },
      ],
    });
  });
}

test('one that was healthy for long enough may fail later: the step goes on', (t) => {
  const run = after(
    runOf([healthy], { step: at('a b') }),
    { nodes, outcomes: succeeded },
    { nodes, outcomes: succeeded, after: 10_000 },
  );
  const later = {
    nodes: ['a failing', 'b failing'],
    outcomes: { a: 'success', b: 'error' },
    after: 900_000,
  } as const;
  t.is(say(run, later), '0 error: b: error, end error: step 0 t0: b: error');
});

test('only a task that succeeded is asked for its health', (t) => {
  const look = { nodes: ['a failing', 'b failing'], outcomes: { a: 'error', b: 'skip' } } as const;
  t.is(say(runOf([healthy], { step: at('a b') }), look), '0 error: a: error, end error: step 0 t0: a: error');
});

// Lost ----------------------------------------------------------------------------------------------

const working = { a: 'inprogress' } as const;
const unheld = { nodes: ['a'], outcomes: working, claims: { a: 'free' } } as const;

test('a claim that nobody holds is lost after lost_grace', (t) => {
  const run = next(runOf([{}], { step: at('a') }), unheld);
  t.deepEqual(run.step.marks, { a: { unheld: { at: START, by: 'here', index: 5 } } });
  t.is(say(run, { ...unheld, after: 59_999 }), 'wait: targets are at work');
  t.deepEqual(decide(run, { ...unheld, after: 60_000 }), {
    kind: 'settle',
    settlements: [{ node: 'a', status: 'lost', reason: 'lost', attempt: 1, outcomeIndex: 7, inboxIndex: 5 }],
  });
  t.is(say(run, { nodes: ['a'], outcomes: working, after: MINUTE }), 'wait: targets are at work');
});

test('the time counts anew when the claim was held again in between, seen or not', (t) => {
  const run = next(runOf([{}], { step: at('a') }), unheld);
  const held = next(run, { ...unheld, claims: { a: 'held' }, after: 30_000 });
  t.deepEqual(held.step.marks, {});
  t.is(next(held, { ...unheld, after: 40_000 }).step.marks['a']?.unheld?.at, START + 40_000);
  // Held and freed again between two looks: the key's index tells.
  const other = { ...run.step.marks['a']?.unheld, index: 4 } as { at: number; by: string; index: number };
  const missed = { ...run, step: { ...run.step, marks: { a: { unheld: other } } } };
  const anew = next(missed, { ...unheld, after: 70_000 });
  t.deepEqual(anew.step.marks['a']?.unheld, { at: START + 70_000, by: 'here', index: 5 });
});

test('a mark goes when the result comes after all', (t) => {
  const run = next(runOf([{}, {}], { step: at('a b') }), unheld);
  const look = { nodes, outcomes: { a: 'success' } } as const;
  t.is(next(run, { ...look, after: MINUTE * 5 }).step.marks['a']?.unheld, undefined);
});

const lost = (attempt: number) => ({ a: { status: 'lost', reason: 'lost', attempt } }) as const;
const LOST: readonly Row[] = [
  ['fail', {}, { nodes: ['a'], outcomes: lost(1) }, '0 error: a: lost, end error: step 0 t0: a: lost'],
  ['retry', { onLost: 'retry' }, { nodes: ['a'], outcomes: lost(1), claims: {} }, 'assign a#2'],
  [
    'retry, assigned already',
    { onLost: 'retry' },
    { nodes: ['a'], outcomes: lost(1), claims: { a: 'free' } },
    'wait: targets are at work',
  ],
  [
    'retry, inboxes not looked at',
    { onLost: 'retry' },
    { nodes: ['a'], outcomes: lost(1) },
    'wait: targets are at work',
  ],
  ['retry a second time', { onLost: 'retry' }, { nodes: ['a'], outcomes: lost(2), claims: {} }, 'assign a#3'],
  [
    'three attempts are enough',
    { onLost: 'retry' },
    { nodes: ['a'], outcomes: lost(3), claims: {} },
    '0 error: a: lost, end error: step 0 t0: a: lost',
  ],
  [
    'hold',
    { onLost: 'hold' },
    { nodes: ['a'], outcomes: lost(1), claims: {} },
    'gate: a lost: waiting for an operator (approve runs it again, cancel ends the run)',
  ],
  [
    'hold, the step itself approved',
    { onLost: 'hold' },
    { nodes: ['a'], outcomes: lost(1), claims: {}, control: { approve: { 0: 5 } } },
    'gate: a lost: waiting for an operator (approve runs it again, cancel ends the run)',
  ],
  [
    'hold is bounded by step_timeout',
    { onLost: 'hold' },
    { nodes: ['a'], outcomes: lost(1), claims: {}, after: 60 * MINUTE },
    'stop timeout: a did not finish after 1 h',
  ],
];
for (const [what, spec, look, expected] of LOST) {
  test(`on_lost: ${what}`, (t) => {
    t.is(say(runOf([spec], { step: at('a') }), look), expected);
  });
}

test('a further attempt follows the lost outcome that was seen', (t) => {
  const decision = decide(runOf([{ onLost: 'retry' }], { step: at('a') }), {
    nodes: ['a'],
    outcomes: lost(1),
    claims: {},
  });
  t.deepEqual(decision, { kind: 'assign', releases: [{ node: 'a', attempt: 2, outcomeIndex: 7 }] });
});

test('the gate of a held one opens when it runs again', (t) => {
  const look = { nodes: ['a'], outcomes: lost(1), claims: {} } as const;
  const run = next(runOf([{ onLost: 'hold' }], { step: at('a') }), look);
  t.regex(run.step.gate ?? '', /^a lost/);
  const again = { ...look, claims: { a: 'free' }, control: { approve: { '0/hold': 2 } } } as const;
  t.is(say(run, again), 'gate opens');
  t.is(say(next(run, again), again), 'wait: targets are at work');
});

test('one that is held waits for the others first', (t) => {
  const run = runOf([{ onLost: 'hold' }], { step: at('a b') });
  const look = { nodes, outcomes: { ...lost(1), b: 'inprogress' } } as const;
  t.is(say(run, look), 'wait: targets are at work');
  t.regex(say(run, { ...look, outcomes: { ...lost(1), b: 'success' } }), /^gate: a lost/);
});

// How long to wait ------------------------------------------------------------------------------------

const UNTIL: readonly [what: string, spec: Partial<StepSpec>, looks: Look[], expected: number][] = [
  ['the step', {}, [{ nodes: ['a'], outcomes: working, after: 1000 }], 60 * MINUTE - 1000],
  ['the lost grace', {}, [unheld, { ...unheld, after: 10_000 }], 50_000],
  ['a down agent', {}, [{ nodes: [] }, { nodes: [], claims: { a: 'free' }, after: 20_000 }], 100_000],
  [
    'health is looked at each second',
    healthy,
    [
      { nodes: ['a failing'], outcomes: succeeded },
      { nodes: ['a failing'], outcomes: succeeded, after: 10 },
    ],
    1000,
  ],
  [
    'the healthy time',
    healthy,
    [
      { nodes: ['a'], outcomes: succeeded },
      { nodes: ['a'], outcomes: succeeded, after: 9500 },
    ],
    500,
  ],
];
for (const [what, spec, looks, expected] of UNTIL) {
  test(`the soonest change by time alone: ${what}`, (t) => {
    const last = looks.at(-1) as Look;
    const decision = decide(after(runOf([spec], { step: at('a') }), ...looks.slice(0, -1)), last);
    t.is(decision.kind === 'wait' ? decision.until : undefined, expected);
  });
}
