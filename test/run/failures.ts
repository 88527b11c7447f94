import test from 'ava';
import type { StepSpec } from '../../src/run/types.js';
import { at, type Look, runOf, say } from './_look.js';

const nodes = ['a', 'b', 'c', 'd'];
type Row = readonly [what: string, spec: Partial<StepSpec>, batches: string[], look: Look, expected: string];
const outcomes = (text: string): NonNullable<Look['outcomes']> =>
  Object.fromEntries(
    [...text].map((letter, index) => [
      nodes[index] as string,
      ({ s: 'success', e: 'error', t: 'timeout', i: 'inprogress', l: 'lost', k: 'skip' } as const)[
        letter as 's'
      ],
    ]),
  );
const one = { serial: [{ count: 1 }] } as const;
const two = { serial: [{ count: 2 }] } as const;

const TABLE: readonly Row[] = [
  // max_fail_percentage: exceeded stops, equal does not; counted over the whole step
  [
    '25 % of four failed, 25 allowed',
    { ...one, maxFailPercentage: 25 },
    ['a'],
    { nodes, outcomes: outcomes('e') },
    'release b (1 1)',
  ],
  [
    '25 % of four failed, 24 allowed',
    { ...one, maxFailPercentage: 24 },
    ['a'],
    { nodes, outcomes: outcomes('e') },
    '0 error: a: error; 3 not started, end error: step 0 t0: a: error; 3 not started',
  ],
  [
    'half of the batch, a quarter of the step',
    { ...two, maxFailPercentage: 30 },
    ['a b'],
    { nodes, outcomes: outcomes('es') },
    'release c d (2 2)',
  ],
  [
    'failures of earlier batches count',
    { ...one, maxFailPercentage: 30 },
    ['a', 'b'],
    { nodes, outcomes: outcomes('ee') },
    '0 error: a: error (and 1 more); 2 not started, end error: step 0 t0: a: error (and 1 more); 2 not started',
  ],
  [
    'timeouts and lost ones count',
    { maxFailPercentage: 49 },
    ['a b c d'],
    { nodes, outcomes: outcomes('tlss') },
    '0 error: a: timeout (and 1 more), end error: step 0 t0: a: timeout (and 1 more)',
  ],
  [
    'skipped ones do not',
    { maxFailPercentage: 25 },
    ['a b c d'],
    { nodes, outcomes: outcomes('ekss') },
    '0 success: 1 of 4 failed, within max_fail_percentage; a: error, end success',
  ],
  [
    '0: none may fail',
    { ...one, maxFailPercentage: 0 },
    ['a'],
    { nodes, outcomes: outcomes('e') },
    '0 error: a: error; 3 not started, end error: step 0 t0: a: error; 3 not started',
  ],
  [
    '100: all may',
    { maxFailPercentage: 100 },
    ['a b c d'],
    { nodes, outcomes: outcomes('eeee') },
    '0 success: 4 of 4 failed, within max_fail_percentage; a: error (and 3 more), end success',
  ],
  [
    'the batch at work is not stopped',
    { ...two, maxFailPercentage: 0 },
    ['a b'],
    { nodes, outcomes: outcomes('ei') },
    'wait: targets are at work',
  ],
  // any_errors_fatal
  [
    'any_errors_fatal stops those at work',
    { anyErrorsFatal: true },
    ['a b c d'],
    { nodes, outcomes: outcomes('seii') },
    'stop error: b: error; any_errors_fatal ends the others',
  ],
  [
    'any_errors_fatal, all done',
    { anyErrorsFatal: true },
    ['a b'],
    { nodes: ['a', 'b'], outcomes: outcomes('se') },
    '0 error: b: error, end error: step 0 t0: b: error',
  ],
  [
    'any_errors_fatal passes over max_fail_percentage',
    { ...one, anyErrorsFatal: true, maxFailPercentage: 90 },
    ['a'],
    { nodes, outcomes: outcomes('e') },
    '0 error: a: error; 3 not started, end error: step 0 t0: a: error; 3 not started',
  ],
  [
    'ignore_errors passes over any_errors_fatal',
    { anyErrorsFatal: true, ignoreErrors: true },
    ['a b c d'],
    { nodes, outcomes: outcomes('seii') },
    'wait: targets are at work',
  ],
  // ignore_errors
  [
    'ignore_errors says what it ignored',
    { ignoreErrors: true },
    ['a b c d'],
    { nodes, outcomes: outcomes('sess') },
    '0 ignored error: b: error, end success',
  ],
  [
    'ignore_errors with a timeout',
    { ignoreErrors: true },
    ['a b c d'],
    { nodes, outcomes: outcomes('stss') },
    '0 ignored timeout: b: timeout, end success',
  ],
  [
    'without failures nothing is ignored',
    { ignoreErrors: true },
    ['a b c d'],
    { nodes, outcomes: outcomes('ssss') },
    '0 success, end success',
  ],
  // run_once
  [
    'run_once failed',
    { runOnce: true },
    ['b'],
    { nodes, outcomes: { b: 'error' } },
    '0 error: b: error, end error: step 0 t0: b: error',
  ],
];
for (const [what, spec, batches, look, expected] of TABLE) {
  test(`failures: ${what}`, (t) => {
    t.is(say(runOf([spec], { step: at(...batches) }), look), expected);
  });
}

test('a step that failed is the last of its run, an ignored one is not', (t) => {
  const look = { nodes: ['a'], outcomes: { a: 'error' } } as const;
  t.regex(say(runOf([{}, {}], { step: at('a') }), look), /^0 error: a: error, end error/);
  t.is(
    say(runOf([{ ignoreErrors: true }, {}], { step: at('a') }), look),
    '0 ignored error: a: error, step 1',
  );
});
