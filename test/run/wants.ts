import test from 'ava';
import type { Run, StepSpec } from '../../src/run/types.js';
import { wants } from '../../src/run/wants.js';
import { at, type Look, observe, runOf, START } from './_look.js';

const NONE = { candidates: false, claims: false, gates: false };
const healthCheck = { minHealthyTime: 10_000, healthyDeadline: 300_000 };
const running = (spec: Partial<StepSpec> = {}): Run => runOf([spec], { step: at('a b') });
const stopping: Run = { ...running(), step: { ...at('a b'), phase: 'stopping' } };
const settled: Run = {
  ...running({ healthCheck }),
  step: { ...at('a b'), marks: { a: { settled: true }, b: { settled: true } } },
};

const TABLE: readonly (readonly [
  what: string,
  run: Run,
  outcomes: NonNullable<Look['outcomes']>,
  quick: object,
  full: object,
])[] = [
  ['a run without steps', runOf([]), {}, NONE, NONE],
  ['waiting', runOf([{}]), {}, { ...NONE, candidates: true }, { ...NONE, candidates: true }],
  [
    'waiting for other services',
    runOf([{ waitFor: [{ service: 'db', passing: 1 }] }]),
    {},
    { candidates: true, claims: false, gates: true },
    { candidates: true, claims: false, gates: true },
  ],
  ['targets at work', running(), { a: 'inprogress' }, NONE, { ...NONE, candidates: true, claims: true }],
  [
    'all done: who joined?',
    running(),
    { a: 'success', b: 'error' },
    { ...NONE, candidates: true },
    { ...NONE, candidates: true },
  ],
  [
    'health is watched',
    running({ healthCheck }),
    { a: 'success' },
    { ...NONE, candidates: true },
    { ...NONE, candidates: true, claims: true },
  ],
  [
    'health is settled',
    settled,
    { a: 'success', b: 'success' },
    { ...NONE, candidates: true },
    { ...NONE, candidates: true },
  ],
  [
    'lost, to run again',
    running({ onLost: 'retry' }),
    { a: 'lost', b: 'inprogress' },
    { ...NONE, claims: true },
    { ...NONE, candidates: true, claims: true },
  ],
  ['stopping', stopping, {}, { ...NONE, claims: true }, { ...NONE, claims: true }],
];
for (const [what, run, outcomes, quick, full] of TABLE) {
  test(`look-ups: ${what}`, (t) => {
    const seen = observe({ outcomes });
    t.deepEqual(wants(run, seen, true), quick as never, 'quick');
    t.deepEqual(wants(run, seen, false), full as never, 'full');
  });
}

test('the marks that health is judged by are those of the run', (t) => {
  const watched = { at: START, by: 'here' };
  const run = running({ healthCheck });
  const seen = observe({ outcomes: { a: 'success', b: 'success' } });
  const marked: Run = { ...run, step: { ...run.step, marks: { a: { watched }, b: { settled: true } } } };
  t.true(wants(marked, seen, true).candidates);
});
