import test from 'ava';
import { amount, batchesOf, batchSize, inOrder, quorumOf } from '../../src/run/batches.js';
import type { StepSpec } from '../../src/run/types.js';
import type { BatchSize } from '../../src/schedule/types.js';
import { at, type Look, next, runOf, say, stepOf } from './_look.js';

const ALL = Number.POSITIVE_INFINITY;
const list: BatchSize[] = [{ count: 1 }, { percent: 25 }, { percent: 100 }];

const SIZES: readonly [what: string, spec: Partial<StepSpec>, total: number, expected: readonly number[]][] =
  [
    ['all at once', {}, 10, [ALL, ALL]],
    ['a number', { serial: [{ count: 3 }] }, 10, [3, 3, 3, 3]],
    ['a percentage, rounded down', { serial: [{ percent: 30 }] }, 5, [1, 1]],
    ['a percentage of few is one', { serial: [{ percent: 10 }] }, 3, [1, 1]],
    ['a list, the last for the rest', { serial: list }, 8, [1, 2, 8, 8]],
    ['a canary before all others', { canary: 2 }, 8, [2, ALL]],
    ['a canary before a list', { canary: 2, serial: list }, 8, [2, 1, 2, 8, 8]],
    ['run_once', { runOnce: true, serial: list }, 8, [1, 0]],
  ];
for (const [what, spec, total, expected] of SIZES) {
  test(`batch sizes: ${what}`, (t) => {
    t.deepEqual(
      expected.map((_, index) => batchSize(stepOf(spec), index, total)),
      expected,
    );
  });
}

test('a percentage of a batch is rounded down, of a quorum up', (t) => {
  t.is(amount({ percent: 50 }, 3), 1);
  t.is(amount({ percent: 0 }, 3), 1);
  t.is(amount({ count: 0 }, 3), 1);
  t.is(quorumOf({ percent: 50 }, 3), 2);
  t.is(quorumOf({ percent: 100 }, 3), 3);
  t.is(quorumOf({ count: 5 }, 3), 5);
});

test('the batches that a step would have', (t) => {
  const nodes = ['c', 'a', 'e', 'b', 'd'];
  const brief = (spec: Partial<StepSpec>) =>
    batchesOf(stepOf(spec), nodes, 'seed')
      .map((batch) => batch.join(''))
      .join(' ');
  t.is(brief({}), 'abcde');
  t.is(brief({ serial: [{ count: 2 }] }), 'ab cd e');
  t.is(brief({ serial: [{ count: 1 }, { percent: 50 }], order: 'reverse_sorted' }), 'e dc ba');
  t.is(brief({ canary: 1 }), 'a bcde');
  t.is(brief({ canary: 1, serial: [{ count: 3 }] }), 'a bcd e');
  t.is(brief({ runOnce: true }), 'a');
  t.deepEqual(batchesOf(stepOf({ serial: [{ count: 1 }] }), [], 'seed'), []);
});

test('order is by code unit, and shuffle is the same for every dispatcher', (t) => {
  const nodes = ['b', 'a10', 'a2', 'B', 'ä'];
  t.deepEqual(inOrder(nodes, stepOf(), 'x'), ['B', 'a10', 'a2', 'b', 'ä']);
  t.deepEqual(inOrder(nodes, stepOf({ order: 'reverse_sorted' }), 'x'), ['ä', 'b', 'a2', 'a10', 'B']);
  const many = Array.from({ length: 40 }, (_, index) => `n${index}`);
  const shuffle = stepOf({ order: 'shuffle' });
  const once = inOrder(many, shuffle, 'run-1');
  t.deepEqual(inOrder([...many].reverse(), shuffle, 'run-1'), once);
  t.deepEqual([...once].sort(), [...many].sort());
  t.notDeepEqual(inOrder(many, shuffle, 'run-2'), once);
  t.notDeepEqual(inOrder(many, stepOf({ order: 'shuffle' }, 1), 'run-1'), once);
  // Nodes that join or leave do not move the others.
  t.deepEqual(
    inOrder(many.slice(5), shuffle, 'run-1'),
    once.filter((node) => many.indexOf(node) >= 5),
  );
});

const nodes = ['a', 'b', 'c', 'd'];
const BATCHES: readonly [
  what: string,
  spec: Partial<StepSpec>,
  batches: string[],
  look: Look,
  expected: string,
][] = [
  [
    'the next batch',
    { serial: [{ count: 2 }] },
    ['a b'],
    { nodes, outcomes: { a: 'success', b: 'skip' } },
    'release c d (2 2)',
  ],
  [
    'not before the last target is done',
    { serial: [{ count: 2 }] },
    ['a b'],
    { nodes, outcomes: { a: 'success', b: 'inprogress' } },
    'wait: targets are at work',
  ],
  [
    'nor while one has not begun',
    { serial: [{ count: 2 }] },
    ['a b'],
    { nodes, outcomes: { a: 'success' } },
    'wait: targets are at work',
  ],
  [
    'a smaller last batch',
    { serial: [{ count: 3 }] },
    ['a b c'],
    { nodes, outcomes: { a: 'success', b: 'success', c: 'success' } },
    'release d (3 1)',
  ],
  [
    'a list',
    { serial: list },
    ['a'],
    { nodes: [...nodes, 'e', 'f', 'g', 'h'], outcomes: { a: 'success' } },
    'release b c (1 2)',
  ],
  [
    'a failure keeps the next batch back',
    { serial: [{ count: 1 }] },
    ['a'],
    { nodes, outcomes: { a: 'error' } },
    '0 error: a: error; 3 not started, end error: step 0 t0: a: error; 3 not started',
  ],
  [
    'with ignore_errors it does not',
    { serial: [{ count: 1 }], ignoreErrors: true },
    ['a'],
    { nodes, outcomes: { a: 'error' } },
    'release b (1 1)',
  ],
  [
    'a joining node goes to a later batch',
    { serial: [{ count: 2 }] },
    ['a b'],
    { nodes: ['a', 'aa', 'b'], outcomes: { a: 'success', b: 'inprogress' } },
    'wait: targets are at work',
  ],
  [
    'and has its turn then',
    { serial: [{ count: 2 }] },
    ['a b'],
    { nodes: ['a', 'aa', 'b'], outcomes: { a: 'success', b: 'success' } },
    'release aa (2 1)',
  ],
  [
    'without serial a joining node begins at once',
    {},
    ['b'],
    { nodes: ['a', 'b'], outcomes: { b: 'inprogress' } },
    'release a (2)',
  ],
  [
    'also when all others are done',
    {},
    ['b'],
    { nodes: ['a', 'b'], outcomes: { b: 'success' } },
    'release a (2)',
  ],
  [
    'but not when a failure has decided the step',
    {},
    ['b c'],
    { nodes: ['a', 'b', 'c'], outcomes: { b: 'error', c: 'inprogress' } },
    'wait: targets are at work',
  ],
  [
    'and is named then among those not started',
    {},
    ['b'],
    { nodes: ['a', 'b'], outcomes: { b: 'error' } },
    '0 error: b: error; 1 not started, end error: step 0 t0: b: error; 1 not started',
  ],
  [
    'it does when failures are ignored',
    { ignoreErrors: true },
    ['b'],
    { nodes: ['a', 'b'], outcomes: { b: 'error' } },
    'release a (2)',
  ],
  [
    'but not with run_once',
    { runOnce: true },
    ['b'],
    { nodes: ['a', 'b'], outcomes: { b: 'success' } },
    '0 success, end success',
  ],
  [
    'nor while paused',
    {},
    ['b'],
    { nodes: ['a', 'b'], outcomes: { b: 'inprogress' }, control: { pause: true } },
    'wait: targets are at work',
  ],
  [
    'nor when `when` leaves it out',
    { when: { tags: ['x'] } },
    ['b'],
    { nodes: ['a'], outcomes: { b: 'success' } },
    '0 success, end success',
  ],
  [
    'into the canary it does not join',
    { canary: 1 },
    ['b'],
    { nodes: ['a', 'b'], outcomes: { b: 'inprogress' } },
    'wait: targets are at work',
  ],
  [
    'into the rest after the canary it does',
    { canary: 1 },
    ['b', 'c'],
    { nodes: ['a', 'b', 'c'], outcomes: { b: 'success', c: 'inprogress' } },
    'release a (1 2)',
  ],
  [
    'nobody joins a step that nobody looked for',
    {},
    ['b'],
    { outcomes: { b: 'success' } },
    'wait: the catalog was not asked for nodes that joined',
  ],
  [
    'paused between batches',
    { serial: [{ count: 1 }] },
    ['a'],
    { nodes, outcomes: { a: 'success' }, control: { pause: true } },
    'gate: paused',
  ],
  [
    'a pause does not hold the end of a step',
    {},
    ['a'],
    { nodes: ['a'], outcomes: { a: 'success' }, control: { pause: true } },
    '0 success, end success',
  ],
  [
    'the canary is done: approval',
    { canary: 1, approve: true },
    ['a'],
    { nodes, outcomes: { a: 'success' } },
    'gate: canary done: waiting for approval',
  ],
  [
    'approved',
    { canary: 1, approve: true },
    ['a'],
    { nodes, outcomes: { a: 'success' }, control: { approve: { 0: 1 } } },
    'release b c d (1 3)',
  ],
  [
    'approval comes once, after the canary',
    { canary: 1, approve: true, serial: [{ count: 1 }] },
    ['a', 'b'],
    { nodes, outcomes: { a: 'success', b: 'success' } },
    'release c (1 1 1)',
  ],
  [
    'without approve the rest follows the canary',
    { canary: 1 },
    ['a'],
    { nodes, outcomes: { a: 'success' } },
    'release b c d (1 3)',
  ],
  [
    'a failed canary ends the step, whatever share may fail',
    { canary: 1, maxFailPercentage: 90 },
    ['a'],
    { nodes, outcomes: { a: 'error' } },
    '0 error: a: error; 3 not started, end error: step 0 t0: a: error; 3 not started',
  ],
  [
    'no rest, no approval',
    { canary: 1, approve: true },
    ['a'],
    { nodes: ['a'], outcomes: { a: 'success' } },
    '0 success, end success',
  ],
];
for (const [what, spec, batches, look, expected] of BATCHES) {
  test(`batches: ${what}`, (t) => {
    t.is(say(runOf([spec], { step: at(...batches) }), look), expected);
  });
}

test('a canary with a health check: its healthy time decides', (t) => {
  const spec = { canary: 1, healthCheck: { minHealthyTime: 10_000, healthyDeadline: 300_000 } };
  const run = next(runOf([spec], { step: at('a') }), { nodes, outcomes: { a: 'success' } });
  t.is(say(run, { nodes, outcomes: { a: 'success' }, after: 9999 }), 'wait: targets are at work');
  const settled = next(run, { nodes, outcomes: { a: 'success' }, after: 10_000 });
  t.is(say(settled, { nodes, outcomes: { a: 'success' }, after: 10_000 }), 'release b c d (1 3)');
});

test('a target that leaves the catalog stays a target, and makes no room', (t) => {
  const run = runOf([{ serial: [{ count: 2 }] }], { step: at('a b') });
  const left = next(run, { nodes: ['b', 'c'], outcomes: { b: 'success' } });
  t.deepEqual(left.step.targets, ['a', 'b']);
  t.is(say(left, { nodes: ['b', 'c'], outcomes: { b: 'success' } }), 'wait: targets are at work');
});

for (const [what, spec, held, free] of [
  ['paused', { serial: [{ count: 1 }] }, { pause: true }, { pause: false }],
  ['an approval after the canary', { canary: 1, approve: true as const }, {}, { approve: { 0: 1 } }],
] as const) {
  test(`step_timeout does not run while a step is held between batches: ${what}`, (t) => {
    const HOUR = 3_600_000;
    const look = { nodes: ['a', 'b'], outcomes: { a: 'success' } } as const;
    const run = next(runOf([spec], { step: at('a') }), { ...look, control: held });
    t.is(say(run, { ...look, control: held, after: 50 * HOUR }), `wait: ${run.step.gate}`);
    const freed = { ...look, control: free, after: 50 * HOUR };
    t.is(say(run, freed), 'release b (1 1)');
    t.is(say(next(run, freed), freed), 'wait: targets are at work');
    t.regex(say(next(run, freed), { ...freed, after: 51 * HOUR }), /^stop timeout/);
  });
}
