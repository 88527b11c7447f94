import test from 'ava';
import { repeat, rerunFault, type OldRun, type OldStep } from '../../src/run/rerun.js';
import type { Section, StepSpec } from '../../src/run/types.js';

const spec = (no: number, task: string, section: Section = 'main'): StepSpec => ({
  no,
  section,
  pattern: 'web',
  task,
  service: 'app',
  skippable: true,
  startTimeout: 0,
  stepTimeout: 0,
  lostGrace: 0,
  onLost: 'fail',
  grace: 0,
});
const STEPS = [
  spec(0, 'a'),
  spec(1, 'b'),
  spec(2, 'c'),
  spec(3, 'mend', 'rescue'),
  spec(4, 'tidy', 'always'),
];

function step(no: number, status: OldStep['Status'], nodes: Readonly<Record<string, string>>): OldStep {
  const { task, section } = STEPS[no] as StepSpec;
  return {
    No: no,
    Name: task,
    Status: status,
    Section: section,
    Pattern: 'web',
    Service: 'app',
    Nodes: Object.entries(nodes).map(([Node, Status]) => ({ Node, Status })),
  };
}

const FAILED: OldRun = {
  id: 'old',
  status: 'error',
  steps: [
    step(0, 'success', { n1: 'success' }),
    step(1, 'error', { n1: 'success', n2: 'error', n3: 'cancelled', n4: 'skip' }),
    step(3, 'success', { n1: 'success' }),
    step(4, 'success', { n1: 'success' }),
  ],
};

test('all of it: from the first step, on every node', (t) => {
  t.deepEqual(repeat(FAILED, STEPS, { failed: false }), {
    ok: true,
    rerun: { Of: 'old', From: 0, Done: {} },
  });
});

test('what failed: from the first step in which a node failed; who succeeded there is done, rescue and always are not', (t) => {
  const repeated = repeat(FAILED, STEPS, { failed: true });
  t.true(repeated.ok);
  if (!repeated.ok) return;
  t.like(repeated.rerun, { From: 1, Done: { 1: ['n1', 'n4'] } });
  t.deepEqual(Object.keys(repeated.rerun.Done), ['1']);
  t.deepEqual(repeated.rerun.Ended, { 0: 'success', 1: 'error', 3: 'success', 4: 'success' });
  t.is(rerunFault(repeated.rerun, STEPS), undefined);
});

test('what failed of a rerun: who succeeded in either is done', (t) => {
  const first = repeat(FAILED, STEPS, { failed: true });
  t.true(first.ok);
  if (!first.ok) return;
  const again = repeat(
    {
      id: 'newer',
      status: 'error',
      rerun: first.rerun,
      steps: [step(1, 'error', { n2: 'success', n3: 'error' })],
    },
    STEPS,
    { failed: true },
  );
  t.true(again.ok);
  t.like(again, { rerun: { Of: 'newer', From: 1, Done: { 1: ['n1', 'n4', 'n2'] } } });
});

test('a failure within max_fail_percentage is run again, and the steps after it are not', (t) => {
  const old: OldRun = {
    id: 'old',
    status: 'success',
    steps: [step(0, 'success', { n1: 'error', n2: 'success' }), step(1, 'success', { n1: 'success' })],
  };
  t.like(repeat(old, STEPS, { failed: true }), { rerun: { From: 0, Done: { 0: ['n2'], 1: ['n1'] } } });
});

test('a run that was cancelled before a step began goes on there', (t) => {
  const old: OldRun = { id: 'old', status: 'cancelled', steps: [step(0, 'success', { n1: 'success' })] };
  t.like(repeat(old, STEPS, { failed: true }), { rerun: { From: 1, Done: {} } });
});

test('nothing failed, or the step is beyond the last', (t) => {
  const old: OldRun = { id: 'old', status: 'success', steps: [step(0, 'success', { n1: 'success' })] };
  t.like(repeat(old, STEPS, { failed: true }), { ok: false, reason: 'nothing' });
  t.like(repeat(old, STEPS, { failed: false, from: 5 }), { ok: false, reason: 'beyond' });
  t.like(repeat(old, STEPS, { failed: false, from: 2 }), { rerun: { From: 2, Done: {} } });
});

test('steps that are not what they were are told, one by one', (t) => {
  const changed = [spec(0, 'a'), { ...spec(1, 'b'), tag: 'blue' }];
  const repeated = repeat(FAILED, changed, { failed: true });
  t.deepEqual(repeated, {
    ok: false,
    reason: 'changed',
    details: [
      'step 1 was b on app (pattern web), is b on app/blue (pattern web) now',
      'step 3 was mend on app (pattern web) in rescue, there is none now',
      'step 4 was tidy on app (pattern web) in always, there is none now',
    ],
  });
});

test('whoever admits a rerun must have the same steps', (t) => {
  const rerun = { Of: 'old', From: 1, Done: {}, Steps: ['web/a', 'web/b'] };
  t.is(rerunFault(undefined, STEPS), undefined);
  t.is(rerunFault(rerun, STEPS.slice(0, 2)), undefined);
  t.regex(
    rerunFault(rerun, [spec(0, 'b'), spec(1, 'a')]) ?? '',
    /its step 0 was web\/a .* and is web\/b here/,
  );
  t.regex(rerunFault(rerun, STEPS) ?? '', /its step 2 was none .* and is web\/c here/);
  t.regex(
    rerunFault({ Of: 'old', From: 9, Done: {} }, STEPS) ?? '',
    /begin at step 9, and the event has 5 steps/,
  );
});
