import test from 'ava';
import { firstStep } from '../../src/run/sections.js';
import type { FinalStatus, Run, Section } from '../../src/run/types.js';
import { at, brief, decide, node, runOf, say } from './_look.js';

/**
 * Runs an event whose steps end as the letters say (s success, e error, t timeout, k skip, `.` must not
 * run) and tells how the run ended: main, rescue and always steps apart.
 */
function play(main: string, rescue = '', always = ''): string {
  const letters = [...main, ...rescue, ...always];
  const of = (letters: string, section: Section): Section[] => [...letters].map(() => section);
  const sections = [...of(main, 'main'), ...of(rescue, 'rescue'), ...of(always, 'always')];
  let run: Run = runOf(sections.map((section) => ({ section })));
  const order: number[] = [];
  for (;;) {
    order.push(run.current);
    const status = ({ s: 'success', e: 'error', t: 'timeout', k: 'skip' } as const)[
      letters[run.current] as 's'
    ];
    const decision = decide({ ...run, step: at('a') }, { nodes: ['a'], outcomes: { a: status } });
    if (decision.kind === 'end') {
      const saved = decision.run.rescued === undefined ? '' : ' rescued';
      return `${order.join('')} ${decision.status}${saved}`;
    }
    if (decision.kind !== 'write') throw new Error(brief(run, decision));
    run = decision.run;
  }
}

const TABLE: readonly (readonly [steps: readonly [string, string?, string?], expected: string])[] = [
  [['ss'], '01 success'],
  [['se'], '01 error'],
  [['es'], '0 error'],
  [['ts'], '0 timeout'],
  [['kk'], '01 skip'],
  [['ks'], '01 success'],
  // rescue: only after a failure; all of it must go well
  [['s', 's'], '0 success'],
  [['es', 'ss'], '023 success rescued'],
  [['ts', 's'], '02 success rescued'],
  [['e', 'es'], '01 error'],
  [['e', 'se'], '012 error'],
  [['t', 'e'], '01 timeout'],
  [['e', 'ks'], '012 success rescued'],
  // always: in any case, and all of them
  [['s', '', 's'], '01 success'],
  [['es', '', 's'], '02 error'],
  [['e', '', 'es'], '012 error'],
  [['s', '', 'e'], '01 error'],
  [['s', '', 'ts'], '012 timeout'],
  [['e', 's', 's'], '012 success rescued'],
  [['e', 'e', 's'], '012 error'],
  [['e', 's', 'e'], '012 error rescued'],
  [['s', 's', 's'], '02 success'],
];
for (const [steps, expected] of TABLE) {
  test(`sections: ${steps.map((one) => one ?? '').join(' | ')}`, (t) => {
    t.is(play(...(steps as [string])), expected);
  });
}

test('the first failure is the one that is told', (t) => {
  const run = runOf([{}, { section: 'rescue' }], {
    current: 1,
    step: at('a'),
    ended: [{ no: 0, status: 'timeout', reason: 'slow' }],
    failure: { status: 'timeout', reason: 'step 0 t0: slow', no: 0 },
  });
  const look = { nodes: ['a'], outcomes: { a: { reason: 'broken' } } };
  t.is(say(run, look), '1 error: a: broken, end timeout: step 0 t0: slow');
  t.is(
    say(run, { nodes: ['a'], outcomes: { a: 'success' } }),
    '1 success, end success: rescued: step 0 t0: slow',
  );
});

test('an ignored failure needs no rescue', (t) => {
  const run = runOf([{ ignoreErrors: true }, { section: 'rescue' }], { step: at('a') });
  t.is(say(run, { nodes: ['a'], outcomes: { a: 'error' } }), '0 ignored error: a: error, end success');
});

test('when.steps of a rescue step sees the failure', (t) => {
  const run = runOf([{ task: 'migrate' }, { section: 'rescue', when: { steps: { migrate: ['error'] } } }], {
    current: 1,
    ended: [{ no: 0, status: 'error' }],
  });
  t.is(say(run, { nodes: ['a'] }), 'release a (1)');
});

test('an event without steps ends with success', (t) => {
  t.is(say(runOf([])), 'end success');
});

test('each step reports once that it began and once how it ended', (t) => {
  const run = runOf([{}, {}]);
  const began = decide(run, { nodes: ['a'] });
  const ended = decide({ ...run, step: at('a') }, { nodes: ['a'], outcomes: { a: 'success' } });
  t.deepEqual(began.kind === 'write' && began.reports, [{ no: 0, status: 'inprogress' }]);
  t.deepEqual(ended.kind === 'write' && ended.reports, [{ no: 0, status: 'success' }]);
});

// Rerun -----------------------------------------------------------------------------------------------

const rerun = (From: number, Done: Record<string, string[]> = {}) => ({ Of: 'e0', From, Done });

test('a rerun begins where it is told', (t) => {
  t.is(firstStep(runOf([{}, {}, {}], { rerun: rerun(2) })), 2);
  t.is(firstStep(runOf([{}, {}, {}])), 0);
});

const REDO: readonly (readonly [
  what: string,
  done: Record<string, string[]>,
  nodes: string[],
  expected: string,
])[] = [
  ['those that succeeded are left out', { 0: ['a', 'c'] }, ['a', 'b', 'c'], 'release b (1)'],
  ['only in the step where they did', { 1: ['a'] }, ['a', 'b'], 'release a b (2)'],
  ['a step that is done is skipped', { 0: ['a'] }, ['a'], '0 skip: done in e0, step 1'],
  ['a node that is new runs', { 0: ['a'] }, ['a', 'new'], 'release new (1)'],
];
for (const [what, done, nodes, expected] of REDO) {
  test(`rerun: ${what}`, (t) => {
    t.is(say(runOf([{}, {}], { rerun: rerun(0, done) }), { nodes }), expected);
  });
}

test('rerun: steps before its first one count as successful for when.steps', (t) => {
  const run = (wanted: string[]) =>
    runOf([{ task: 'prepare' }, { when: { steps: { prepare: wanted } } }], { current: 1, rerun: rerun(1) });
  t.is(say(run(['success']), { nodes: ['a'] }), 'release a (1)');
  t.regex(say(run(['error']), { nodes: ['a'] }), /^1 skip: when: step prepare ended success, not error/);
});

test('rerun: one that is done does not join either', (t) => {
  const run = runOf([{}], { step: at('b'), rerun: rerun(0, { 0: ['a'] }) });
  t.is(say(run, { nodes: ['a', 'b'], outcomes: { b: 'success' } }), '0 success, end success');
});

test('the run tells whom it left out and why', (t) => {
  const decision = decide(runOf([{ when: { tags: ['x'] } }], { rerun: rerun(0, { 0: ['a'] }) }), {
    nodes: ['a', 'b', node('c', { tags: ['x'] })],
  });
  t.deepEqual(decision.kind === 'write' && decision.run.step.skipped, {
    a: 'done in e0',
    b: 'when: no tag x',
  });
});

test('a final status is one of the known', (t) => {
  const known: FinalStatus[] = ['success', 'error', 'timeout', 'skip', 'cancelled'];
  for (const [, expected] of TABLE) t.true(known.includes(expected.split(' ')[1] as FinalStatus));
});
