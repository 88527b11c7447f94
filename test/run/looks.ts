import test from 'ava';
import fc from 'fast-check';
import { afterFinish, type Fellows, lookDelay, NARROW, type Turn } from '../../src/run/looks.js';
import type { Outcome, OutcomeStatus } from '../../src/run/types.js';

const outcomes = (...statuses: OutcomeStatus[]): Outcome[] =>
  statuses.map((status) => ({ attempt: 1, session: 's', status }));
const few = (of: number, seen?: Outcome[], lastCounts = true): Fellows => ({
  of,
  lastCounts,
  ...(seen === undefined ? {} : { outcomes: seen }),
});
const wide = (turn?: Turn): Fellows => ({
  of: NARROW + 1,
  lastCounts: true,
  ...(turn === undefined ? {} : { turn }),
});

const TABLE: readonly [string, OutcomeStatus, Fellows, 'look' | 'wait' | 'leave'][] = [
  ['the only target', 'success', few(1), 'look'],
  ['others have not begun', 'success', few(3, outcomes('success', 'success')), 'leave'],
  ['another one is at work', 'success', few(2, outcomes('success', 'inprogress')), 'leave'],
  ['a skipped one counts as done', 'skip', few(2, outcomes('skip', 'inprogress')), 'leave'],
  ['the last one', 'success', few(2, outcomes('success', 'error')), 'look'],
  ['the last but for a lost one', 'success', few(2, outcomes('success', 'lost')), 'look'],
  ['a failure may end the step', 'error', few(2, outcomes('error', 'inprogress')), 'look'],
  ['a cancelled one may end the run', 'cancelled', few(2, outcomes('cancelled', 'inprogress')), 'look'],
  ['a batch, or its health, may wait for it', 'success', few(2, outcomes('success'), false), 'look'],
  ['the answer never came', 'success', few(2), 'look'],
  ['nobody waits', 'success', wide(), 'wait'],
  ['somebody waits', 'success', wide({ no: 4, phase: 'waiting', by: 'n1' }), 'leave'],
  [
    'somebody waits, and a failure can wait too',
    'error',
    wide({ no: 4, phase: 'waiting', by: 'n1' }),
    'leave',
  ],
  ['somebody reads already', 'success', wide({ no: 4, phase: 'looking', by: 'n1' }), 'wait'],
  ['somebody waited in the step before', 'success', wide({ no: 3, phase: 'waiting', by: 'n1' }), 'wait'],
];
for (const [what, status, seen, expected] of TABLE)
  test(`${expected}: ${what}`, (t) => t.is(afterFinish(4, status, seen), expected));

test('many finishers, in any order: nobody finishes unseen, and most of them need not look', (t) => {
  let looked = 0;
  let finished = 0;
  fc.assert(
    fc.property(fc.integer({ min: NARROW + 1, max: 90 }), fc.infiniteStream(fc.nat(1000)), (of, dice) => {
      let turn: Turn | undefined;
      let done = 0;
      let seen = 0;
      // What each one who waits has still to do: say that he looks, then read.
      const waiting: ('say' | 'read')[] = [];
      for (const roll of dice) {
        if (done === of && waiting.length === 0) break;
        const at = roll % (waiting.length + (done < of ? 1 : 0));
        if (at === waiting.length) {
          const before = turn;
          turn = { no: 0, phase: 'waiting', by: `n${done}` };
          done += 1;
          if (afterFinish(0, 'success', { of, lastCounts: true, ...(before && { turn: before }) }) === 'wait')
            waiting.push('say');
        } else if (waiting[at] === 'say') {
          turn = { no: 0, phase: 'looking', by: '' };
          waiting[at] = 'read';
        } else {
          seen = done;
          waiting.splice(at, 1);
          looked += 1;
        }
      }
      finished += of;
      return seen === of;
    }),
    { numRuns: 2000 },
  );
  t.true(looked < finished, `${looked} looks for ${finished}`);
});

test('the wait grows with the time and the width of the step, within bounds', (t) => {
  t.is(lookDelay(0, 33), 50);
  t.is(lookDelay(5000, 33), 500);
  t.is(lookDelay(0, 900), 90);
  t.is(lookDelay(600_000, 33), 1000);
  t.is(lookDelay(0, 100_000), 1000);
});
