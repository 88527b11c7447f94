import test from 'ava';
import type { Run, StepSpec } from '../../src/run/types.js';
import { after, at, decide, type Look, next, node, runOf, say, START, stepOf } from './_look.js';

const MINUTE = 60_000;
type Row = readonly [what: string, spec: Partial<StepSpec>, look: Look, expected: string];

const TABLE: readonly Row[] = [
  ['targets at once', {}, { nodes: ['b', 'a'] }, 'release a b (2)'],
  ['the catalog was not asked', {}, {}, 'wait: the catalog was not asked'],
  ['no target yet', {}, { nodes: [] }, 'gate: waiting for a node with service app'],
  [
    'no target yet, with a tag',
    { tag: 'web' },
    { nodes: [] },
    'gate: waiting for a node with service app and tag web',
  ],
  [
    'no target within start_timeout, skippable',
    {},
    { nodes: [], after: 2 * MINUTE },
    '0 skip: no node has had service app for 2 m, step 1',
  ],
  [
    'no target within start_timeout, not skippable',
    { skippable: false },
    { nodes: [], after: 2 * MINUTE },
    '0 timeout: no node has had service app for 2 m, end timeout: step 0 t0: no node has had service app for 2 m',
  ],
  [
    'no target, one ms before start_timeout',
    { skippable: false },
    { nodes: [], after: 2 * MINUTE - 1 },
    'gate: waiting for a node with service app',
  ],
  ['a target at the last moment', {}, { nodes: ['a'], after: 5 * MINUTE }, 'release a (1)'],
  ['a target whose agent is down is a target', {}, { nodes: ['a down', 'b'] }, 'release a b (2)'],
  // run_once, order, batches
  ['run_once takes one', { runOnce: true }, { nodes: ['b', 'a', 'c'] }, 'release a (1)'],
  ['run_once takes one that is up', { runOnce: true }, { nodes: ['a down', 'c', 'b'] }, 'release b (1)'],
  ['run_once, all down', { runOnce: true }, { nodes: ['b down', 'a down'] }, 'release a (1)'],
  ['reverse order', { order: 'reverse_sorted' }, { nodes: ['b', 'a', 'c'] }, 'release c b a (3)'],
  ['serial: 2', { serial: [{ count: 2 }] }, { nodes: ['a', 'b', 'c'] }, 'release a b (2)'],
  ['serial: 50%', { serial: [{ percent: 50 }] }, { nodes: ['a', 'b', 'c'] }, 'release a (1)'],
  ['canary before serial', { canary: 1, serial: [{ count: 2 }] }, { nodes: ['a', 'b'] }, 'release a (1)'],
  ['more canaries than nodes', { canary: 3 }, { nodes: ['a', 'b'] }, 'release a b (2)'],
  // quorum
  ['quorum reached', { quorum: { count: 2 } }, { nodes: ['a', 'b', 'c down'] }, 'release a b c (3)'],
  [
    'quorum missed',
    { quorum: { count: 2 } },
    { nodes: ['a', 'b down'] },
    'gate: quorum: 1 of 2 nodes with service app present',
  ],
  [
    'quorum in percent is rounded up',
    { quorum: { percent: 50 } },
    { nodes: ['a', 'b down', 'c down'] },
    'gate: quorum: 1 of 2 nodes with service app present',
  ],
  [
    'quorum missed for start_timeout',
    { quorum: { count: 2 } },
    { nodes: ['a'], after: 2 * MINUTE },
    '0 error: quorum: 1 of 2 nodes with service app present after 2 m, end error: step 0 t0: quorum: 1 of 2 nodes with service app present after 2 m',
  ],
  [
    'no node at all is no quorum, skippable or not',
    { quorum: { count: 2 } },
    { nodes: [], after: 2 * MINUTE },
    '0 error: quorum: 0 of 2 nodes with service app present after 2 m, end error: step 0 t0: quorum: 0 of 2 nodes with service app present after 2 m',
  ],
  [
    'a share of no node at all is reached, and the step skipped',
    { quorum: { percent: 50 } },
    { nodes: [], after: 2 * MINUTE },
    '0 skip: no node has had service app for 2 m, step 1',
  ],
  // wait_for
  [
    'wait_for not looked up',
    { waitFor: [{ service: 'db', passing: 1 }] },
    { nodes: ['a'] },
    'wait: the services to wait for were not looked up',
  ],
  [
    'wait_for closed',
    { waitFor: [{ service: 'db', passing: 2 }] },
    { nodes: ['a'], gates: [{ passing: 1, all: 3 }] },
    'gate: waiting for 2 passing of service db, 1 now',
  ],
  [
    'wait_for open',
    { waitFor: [{ service: 'db', passing: 2 }] },
    { nodes: ['a'], gates: [{ passing: 2, all: 3 }] },
    'release a (1)',
  ],
  [
    'wait_for all',
    { waitFor: [{ service: 'db', tag: 'main', passing: 'all' }] },
    { nodes: ['a'], gates: [{ passing: 2, all: 3 }] },
    'gate: waiting for 3 passing of service db and tag main, 2 now',
  ],
  [
    'wait_for all of none',
    { waitFor: [{ service: 'db', passing: 'all' }] },
    { nodes: ['a'], gates: [{ passing: 0, all: 0 }] },
    'gate: waiting for 1 passing of service db, 0 now',
  ],
  [
    'the second gate',
    {
      waitFor: [
        { service: 'db', passing: 1 },
        { service: 'lb', passing: 1 },
      ],
    },
    {
      nodes: ['a'],
      gates: [
        { passing: 1, all: 1 },
        { passing: 0, all: 1 },
      ],
    },
    'gate: waiting for 1 passing of service lb, 0 now',
  ],
  [
    'wait_for closed for start_timeout',
    { waitFor: [{ service: 'db', passing: 1 }] },
    { nodes: ['a'], gates: [{ passing: 0, all: 1 }], after: 2 * MINUTE },
    '0 timeout: waiting for 1 passing of service db, 0 now for 2 m, end timeout: step 0 t0: waiting for 1 passing of service db, 0 now for 2 m',
  ],
  // when
  [
    'when.tags leaves nodes out',
    { when: { tags: ['blue'] } },
    { nodes: [node('a', { tags: ['blue'] }), node('b', { tags: ['green'] })] },
    'release a (1)',
  ],
  [
    'when.tags leaves all out',
    { when: { tags: ['blue'] } },
    { nodes: [node('a', { tags: ['green'] })] },
    '0 skip: when: no tag blue, step 1',
  ],
  [
    'when.meta, one of its values',
    { when: { meta: { zone: ['east', 'west'] } } },
    { nodes: [node('a', { meta: { zone: 'west' } }), node('b', { meta: { zone: 'north' } })] },
    'release a (1)',
  ],
  [
    'when.meta not set',
    { when: { meta: { zone: ['east'] } } },
    { nodes: ['a'] },
    '0 skip: when: meta zone is not set, step 1',
  ],
  [
    'when.steps of a step that did not run',
    { when: { steps: { prepare: ['success'] } } },
    { nodes: ['a'] },
    '0 skip: when: step prepare ended none, not success, step 1',
  ],
  // operators
  ['paused', {}, { nodes: ['a'], control: { pause: true } }, 'gate: paused'],
  ['resumed', {}, { nodes: ['a'], control: { pause: false } }, 'release a (1)'],
  ['approve', { approve: true }, { nodes: ['a'] }, 'gate: waiting for approval'],
  [
    'another step is approved',
    { approve: true },
    { nodes: ['a'], control: { approve: { 1: 1 } } },
    'gate: waiting for approval',
  ],
  ['approved', { approve: true }, { nodes: ['a'], control: { approve: { 0: 1 } } }, 'release a (1)'],
  [
    'with a canary, approval comes after it',
    { approve: true, canary: 1 },
    { nodes: ['a', 'b'] },
    'release a (1)',
  ],
];

for (const [what, spec, look, expected] of TABLE) {
  test(`waiting: ${what}`, (t) => {
    // A second step shows that a skipped one is passed over.
    t.is(say(runOf([spec, ...(expected.endsWith('step 1') ? [{}] : [])]), look), expected);
  });
}

test('a gate is written once, then waited for until start_timeout', (t) => {
  const run = next(runOf([{}]), { nodes: [] });
  t.is(run.step.gate, 'waiting for a node with service app');
  t.deepEqual(decide(run, { nodes: [], after: 20_000 }), {
    kind: 'wait',
    why: 'waiting for a node with service app',
    until: 100_000,
  });
});

test('the step starts with its targets, its batch, when it began, who is down and who is left out', (t) => {
  const decision = decide(runOf([{ when: { tags: ['web'] }, serial: [{ count: 1 }] }]), {
    nodes: [node('a', { tags: ['web'], alive: false }), node('b', { tags: ['web'] }), node('c')],
    after: 5,
    by: 'there',
  });
  t.is(decision.kind, 'write');
  if (decision.kind !== 'write') return;
  t.deepEqual(decision.run.step, {
    phase: 'running',
    since: { at: START + 5, by: 'there' },
    targets: ['a'],
    batches: [1],
    marks: { a: { down: { at: START + 5, by: 'there' } } },
    skipped: { c: 'when: no tag web' },
  });
  t.deepEqual(decision.releases, [{ node: 'a', attempt: 1 }]);
  t.deepEqual(decision.reports, [{ no: 0, status: 'inprogress' }]);
});

for (const [gate, held, free] of [
  ['paused', { control: { pause: true } }, { control: { pause: false } }],
  ['waiting for approval', {}, { control: { approve: { 0: 1 } } }],
] as const) {
  test(`start_timeout does not run while a step is ${gate}`, (t) => {
    const spec = stepOf(gate === 'paused' ? { skippable: false } : { approve: true, skippable: false });
    const waits = after(runOf([spec]), { ...held, nodes: [] }, { ...held, nodes: [], after: 100 * MINUTE });
    t.is(waits.step.gate, gate);
    const opened = next(waits, { ...free, nodes: [], after: 100 * MINUTE });
    t.is(opened.step.gate, undefined);
    t.is(
      say(opened, { ...free, nodes: [], after: 101 * MINUTE }),
      'gate: waiting for a node with service app',
    );
    t.regex(say(opened, { ...free, nodes: [], after: 102 * MINUTE }), /^0 timeout/);
  });
}

test('targets are looked up when the step starts: an earlier step may have made them', (t) => {
  const run = runOf([{}, { service: 'lb' }], { step: at('a') });
  const second = next(run, { nodes: ['a'], outcomes: { a: 'success' } });
  t.is(second.current, 1);
  t.deepEqual(second.step.targets, []);
  t.is(say(second, { nodes: ['new'] }), 'release new (1)');
});

const EARLIER: readonly [status: string, wanted: string[], starts: boolean][] = [
  ['success', ['success'], true],
  ['success', ['error'], false],
  ['skip', ['success', 'skip'], true],
];
for (const [status, wanted, starts] of EARLIER) {
  test(`when.steps: ${status} of an earlier step, wanted ${wanted.join(' or ')}`, (t) => {
    const run: Run = runOf([{ task: 'prepare' }, { when: { steps: { prepare: wanted } } }], {
      current: 1,
      ended: [{ no: 0, status: status as 'success' }],
    });
    t.is(say(run, { nodes: ['a'] }).startsWith('release'), starts);
  });
}
