import test from 'ava';
import { duration, elapsed, left } from '../../src/run/time.js';
import type { StepSpec } from '../../src/run/types.js';
import { after, at, type Look, runOf, say, SKEW } from './_look.js';

const MINUTE = 60_000;
const stamp = (ms: number, by = 'here') => ({ at: ms, by });

test('a judge on another node allows max_clock_skew', (t) => {
  t.is(elapsed(stamp(1000), stamp(5000), 300), 4000);
  t.is(elapsed(stamp(1000), stamp(5000, 'there'), 300), 3700);
  t.is(elapsed(stamp(1000), stamp(1100, 'there'), 300), 0);
  t.is(elapsed(stamp(5000), stamp(1000), 300), 0);
  t.is(left(stamp(1000), 4000, stamp(5000), 300), 0);
  t.is(left(stamp(1000), 4000, stamp(5000, 'there'), 300), 300);
  t.is(left(stamp(1000), 4000, stamp(0), 300), 4000);
});

const WORDS: readonly [ms: number, text: string][] = [
  [0, '0 ms'],
  [350, '350 ms'],
  [1234, '1.2 s'],
  [2000, '2 s'],
  [12_000, '12 s'],
  [59_400, '59 s'],
  [120_000, '2 m'],
  [185_000, '3 m 5 s'],
  [3_600_000, '1 h'],
  [7_260_000, '2 h 1 m'],
];
for (const [ms, text] of WORDS) {
  test(`${ms} ms is ${text}`, (t) => {
    t.is(duration(ms), text);
  });
}

/** Each limit, judged by the clock that began it, and by one three minutes ahead or behind. */
const LIMITED: readonly [
  what: string,
  spec: Partial<StepSpec>,
  before: Look[],
  look: Look,
  limit: number,
  late: RegExp,
][] = [
  ['start_timeout', { skippable: false }, [], { nodes: [] }, 2 * MINUTE, /^0 timeout/],
  [
    'step_timeout',
    {},
    [{ nodes: ['a'] }],
    { nodes: ['a'], outcomes: { a: 'inprogress' } },
    60 * MINUTE,
    /^stop timeout/,
  ],
  [
    'lost_grace',
    {},
    [{ nodes: ['a'] }, { nodes: ['a'], outcomes: { a: 'inprogress' }, claims: { a: 'free' } }],
    { nodes: ['a'], outcomes: { a: 'inprogress' }, claims: { a: 'free' } },
    MINUTE,
    /^settle a lost/,
  ],
  [
    'unreachable',
    {},
    [{ nodes: ['a down'] }],
    { nodes: ['a down'], claims: { a: 'free' } },
    2 * MINUTE,
    /^settle a error: unreachable/,
  ],
  [
    'healthy_deadline',
    { healthCheck: { minHealthyTime: 1000, healthyDeadline: 5 * MINUTE } },
    [{ nodes: ['a'] }, { nodes: ['a failing'], outcomes: { a: 'success' } }],
    { nodes: ['a failing'], outcomes: { a: 'success' } },
    5 * MINUTE,
    /^settle a error: unhealthy/,
  ],
];
for (const [what, spec, before, look, limit, late] of LIMITED) {
  test(`${what} is not judged early by any clock`, (t) => {
    const run = after(runOf([spec]), ...before);
    t.notRegex(say(run, { ...look, after: limit - 1 }), late);
    t.regex(say(run, { ...look, after: limit }), late);
    for (const skew of [-3 * MINUTE, 3 * MINUTE]) {
      // What this clock shows at the true moment.
      const shown = (ms: number): Look => ({ ...look, by: 'there', after: ms + skew });
      t.notRegex(say(run, shown(0)), late, 'at once');
      t.notRegex(say(run, shown(limit - 1)), late, 'just before');
      t.regex(say(run, shown(limit + SKEW + 3 * MINUTE)), late, 'in the end');
    }
  });
}

test('clocks three minutes apart change no decision that time does not make', (t) => {
  const looks: Look[] = [
    { nodes: ['a', 'b'] },
    { nodes: ['a', 'b'], outcomes: { a: 'success' } },
    { nodes: ['a', 'b'], outcomes: { a: 'success', b: 'inprogress' }, claims: { b: 'free' } },
    { nodes: ['a', 'b'], outcomes: { a: 'success', b: 'success' } },
    { nodes: ['c'] },
  ];
  const steps = [{}, {}];
  const same = looks.map((_, index) => say(after(runOf(steps), ...looks.slice(0, index)), looks[index]));
  for (const apart of [-3 * MINUTE, 3 * MINUTE]) {
    const skewed = looks.map((look, index) =>
      index % 2 === 0 ? look : { ...look, by: 'there', after: apart },
    );
    t.deepEqual(
      skewed.map((look, index) => say(after(runOf(steps), ...skewed.slice(0, index)), look)),
      same,
    );
  }
  t.deepEqual(same, [
    'release a b (2)',
    'wait: targets are at work',
    'note',
    '0 success, step 1',
    'release c (1)',
  ]);
});

test('a task that runs long is at work by any clock', (t) => {
  const run = runOf([{}], { step: at('a') });
  for (const skew of [-3, 0, 3]) {
    const look: Look = {
      nodes: ['a'],
      outcomes: { a: 'inprogress' },
      claims: { a: 'held' },
      by: 'there',
      after: (59 + skew) * MINUTE,
    };
    t.is(say(run, look), 'wait: targets are at work');
  }
});
