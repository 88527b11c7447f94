import test from 'ava';
import type { FinalStatus, Run } from '../../src/run/types.js';
import { after, at, decide, type Look, next, runOf, say, START } from './_look.js';

const begun = { at: START, by: 'here' };
const stopped = (status: FinalStatus, reason: string, batches = 'a b'): Run =>
  runOf([{}, {}], {
    step: { ...at(batches), phase: 'stopping', stop: { status, reason, since: begun, seen: begun } },
  });
const timeout = stopped('timeout', 'too long');
const cancelled = stopped('cancelled', 'cancelled');

const TABLE: readonly (readonly [what: string, run: Run, look: Look, expected: string])[] = [
  ['the claims were not looked at', timeout, {}, 'wait: the claims were not looked at'],
  [
    'those that did not start time out',
    timeout,
    { outcomes: { a: 'success' }, claims: { b: 'free' } },
    'settle b timeout: did not start in time: too long',
  ],
  [
    'or are cancelled',
    cancelled,
    { outcomes: { a: 'success' }, claims: {} },
    'settle b cancelled: did not start: cancelled',
  ],
  [
    'those at work have time to end',
    timeout,
    { outcomes: { a: 'inprogress', b: 'success' }, claims: { a: 'held' } },
    'wait: a still at work',
  ],
  [
    'all have ended: the step has the status it was stopped with',
    timeout,
    { outcomes: { a: 'timeout', b: 'success' }, claims: {} },
    '0 timeout: too long, end timeout: step 0 t0: too long',
  ],
  [
    'cancelled',
    cancelled,
    { outcomes: { a: 'cancelled', b: 'success' }, claims: {} },
    '0 cancelled: cancelled, end cancelled: step 0 t0: cancelled',
  ],
  [
    'a task that succeeded after all does not mend it',
    cancelled,
    { outcomes: { a: 'success', b: 'success' }, claims: {} },
    '0 cancelled: cancelled, end cancelled: step 0 t0: cancelled',
  ],
  [
    'a further attempt that has not begun',
    timeout,
    { outcomes: { a: { status: 'lost', reason: 'lost' }, b: 'success' }, claims: { a: 'free' } },
    'settle a lost: lost',
  ],
  [
    'a pause holds nothing',
    timeout,
    { outcomes: { a: 'success', b: 'success' }, claims: {}, control: { pause: true } },
    '0 timeout: too long, end timeout: step 0 t0: too long',
  ],
];
for (const [what, run, look, expected] of TABLE) {
  test(`stopping: ${what}`, (t) => {
    t.is(say(run, look), expected);
  });
}

test('step_timeout: stop, settle, end', (t) => {
  const hour = 3_600_000;
  const run = next(runOf([{}], { step: at('a b') }), {
    nodes: ['a', 'b'],
    outcomes: { a: 'inprogress' },
    after: hour,
  });
  t.is(run.step.phase, 'stopping');
  const reason = 'a did not finish; b did not start (is metronome running there?) after 1 h';
  t.deepEqual(run.step.stop, { status: 'timeout', reason, since: { at: START + hour, by: 'here' } });
  const look = { outcomes: { a: 'inprogress' }, claims: { a: 'held', b: 'free' }, after: hour } as const;
  t.is(say(run, look), `settle b timeout: did not start in time: ${reason}`);
  const working = { ...look, outcomes: { a: 'inprogress', b: 'timeout' }, claims: { a: 'held' } } as const;
  t.is(say(next(run, working), working), 'wait: a still at work');
  t.is(
    say(run, { outcomes: { a: 'timeout', b: 'timeout' }, claims: {}, after: hour }),
    `0 timeout: ${reason}, end timeout: step 0 t0: ${reason}`,
  );
});

test('one whose claim nobody holds is lost after lost_grace', (t) => {
  const look = { outcomes: { a: 'inprogress', b: 'success' }, claims: { a: 'free' } } as const;
  t.is(say(timeout, look), 'note');
  const run = next(timeout, look);
  t.is(say(run, { ...look, after: 59_999 }), 'wait: a still at work');
  t.is(say(run, { ...look, after: 60_000 }), 'settle a lost: lost');
});

test('one that does not obey is written off in the end', (t) => {
  const look = { outcomes: { a: 'inprogress', b: 'success' }, claims: { a: 'held' } } as const;
  const overdue = 10_000 + 60_000 + 120_000;
  const run = timeout;
  t.is(say(run, { ...look, after: overdue - 1 }), 'wait: a still at work');
  t.is(say(run, { ...look, after: overdue }), 'settle a lost by force: lost');
});

test('its time begins when the step is seen stopping: who wrote that may have slept before he did', (t) => {
  const look = {
    outcomes: { a: 'inprogress', b: 'success' },
    claims: { a: 'held' },
    after: 900_000,
  } as const;
  const { seen: _, ...unseen } = timeout.step.stop as NonNullable<Run['step']['stop']>;
  const run = next({ ...timeout, step: { ...timeout.step, stop: unseen } }, look);
  t.deepEqual(run.step.stop?.seen, { at: START + 900_000, by: 'here' });
  t.is(say(run, look), 'wait: a still at work');
  t.is(say(run, { ...look, after: 900_000 + 190_000 }), 'settle a lost by force: lost');
});

test('many still at work are not all named', (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const run = stopped('timeout', 'too long', names.join(' '));
  const outcomes = Object.fromEntries(names.map((name) => [name, 'inprogress' as const]));
  const claims = Object.fromEntries(names.map((name) => [name, 'held' as const]));
  t.is(say(run, { outcomes, claims }), 'wait: a, b, c, d, e and 2 more still at work');
});

// Cancel --------------------------------------------------------------------------------------------

const once = { cancel: 1 };

test('cancel while waiting: the step ends, and the run', (t) => {
  t.is(
    say(runOf([{}, {}]), { control: once }),
    '0 cancelled: cancelled, end cancelled: step 0 t0: cancelled',
  );
});

test('cancel while running: no claim passes, held ones end, then the run', (t) => {
  const run = next(runOf([{}, {}], { step: at('a b') }), { outcomes: { a: 'inprogress' }, control: once });
  t.is(run.step.phase, 'stopping');
  t.deepEqual(run.cancelled, { no: 0, count: 1 });
  t.is(
    say(run, { outcomes: { a: 'cancelled', b: 'cancelled' }, claims: {}, control: once }),
    '0 cancelled: cancelled, end cancelled: step 0 t0: cancelled',
  );
});

test('cancel while stopping is noted, and the failure keeps its name', (t) => {
  const run = next(timeout, { control: once });
  t.deepEqual(run.cancelled, { no: 0, count: 1 });
  t.deepEqual(run.step, timeout.step);
  t.is(
    say(run, { outcomes: { a: 'timeout', b: 'success' }, claims: {}, control: once }),
    '0 timeout: too long, end timeout: step 0 t0: too long',
  );
});

test('the same cancel is obeyed once', (t) => {
  const look = { outcomes: { a: 'inprogress' }, claims: { a: 'held' }, control: once } as const;
  const run = after(runOf([{}], { step: at('a') }), look, look);
  t.deepEqual(run.cancelled, { no: 0, count: 1 });
  t.is(say(run, look), 'wait: a still at work');
});

test('cancel weighs more than pause and approval', (t) => {
  const run = runOf([{ approve: true }]);
  t.regex(say(run, { control: { cancel: 1, pause: true } }), /^0 cancelled/);
});

test('after a cancel no rescue, but always', (t) => {
  const run = runOf([{}, { section: 'rescue' }, { section: 'always' }]);
  t.is(say(run, { control: once }), '0 cancelled: cancelled, step 2');
  const always = next(run, { control: once });
  t.is(say(always, { nodes: ['a'], control: once }), 'release a (1)');
  const ended = { ...always, step: at('a') };
  t.is(
    say(ended, { nodes: ['a'], outcomes: { a: 'success' }, control: once }),
    '2 success, end cancelled: step 0 t0: cancelled',
  );
});

test('a first cancel in an always step lets it finish, a second ends it', (t) => {
  const run = runOf([{}, { section: 'always' }, { section: 'always' }], {
    current: 1,
    step: at('a'),
    ended: [{ no: 0, status: 'success' }],
  });
  const noted = next(run, { control: once });
  t.is(noted.step.phase, 'running');
  const done = { nodes: ['a'], outcomes: { a: 'success' }, control: once } as const;
  t.is(say(noted, done), '1 success, step 2');
  t.is(
    say({ ...noted, ended: [...noted.ended, { no: 1, status: 'success' }], current: 2 }, done),
    '2 success, end cancelled: cancelled',
  );
  const second = next(noted, { control: { cancel: 2 } });
  t.is(second.step.phase, 'stopping');
  t.is(
    say(second, { outcomes: { a: 'cancelled' }, claims: {}, control: { cancel: 2 } }),
    '1 cancelled: cancelled, end cancelled: cancelled',
  );
});

test('a second cancel before the always steps leaves them out', (t) => {
  const run = runOf([{}, { section: 'always' }]);
  t.is(say(run, { control: { cancel: 2 } }), '0 cancelled: cancelled, end cancelled: step 0 t0: cancelled');
  const stopping = after({ ...run, step: at('a') }, { control: once }, { control: { cancel: 2 } });
  t.deepEqual(stopping.cancelled, { no: 0, count: 2 });
  t.regex(
    say(stopping, { outcomes: { a: 'cancelled' }, claims: {}, control: { cancel: 2 } }),
    /^0 cancelled: cancelled, end cancelled/,
  );
});

test('a cancel while rescue steps run ends them, and the failure stays', (t) => {
  const run = runOf([{}, { section: 'rescue' }, { section: 'rescue' }, { section: 'always' }], {
    current: 1,
    step: at('a'),
    ended: [{ no: 0, status: 'error', reason: 'x' }],
    failure: { status: 'error', reason: 'step 0 t0: x', no: 0 },
  });
  const stopping = next(run, { control: once });
  const end = { outcomes: { a: 'cancelled' }, claims: {}, control: once } as const;
  t.is(say(stopping, end), '1 cancelled: cancelled, step 3');
  const always = { ...next(stopping, end), step: at('a') };
  t.is(
    say(always, { nodes: ['a'], outcomes: { a: 'success' }, control: once }),
    '3 success, end error: step 0 t0: x',
  );
});

test('what is written for a target that had not begun checks that it has not', (t) => {
  t.deepEqual(decide(cancelled, { outcomes: { a: 'success' }, claims: { b: 'free' } }), {
    kind: 'settle',
    settlements: [
      {
        node: 'b',
        status: 'cancelled',
        reason: 'did not start: cancelled',
        attempt: 1,
        outcomeIndex: 0,
        inboxIndex: 5,
      },
    ],
  });
});
