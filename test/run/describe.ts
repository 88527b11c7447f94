import test from 'ava';
import { describeQueued, describeRun } from '../../src/run/describe.js';
import type { Control, QueuedEvent, Run, SeenOutcome, StepSpec, StepState } from '../../src/run/types.js';

const AT = { at: 100_000, by: 'n1' };
const SPEC: StepSpec = {
  no: 0,
  section: 'main',
  pattern: 'web',
  task: 'configure',
  service: 'app',
  skippable: true,
  startTimeout: 120_000,
  stepTimeout: 3_600_000,
  lostGrace: 60_000,
  onLost: 'hold',
  grace: 10_000,
};

function run(step: Partial<StepState>, spec: Partial<StepSpec> = {}): Run {
  return {
    version: 1,
    id: 'e1',
    event: 'deploy',
    payload: '',
    data: {},
    group: 'default',
    slot: 0,
    queuedAt: AT,
    startedAt: AT,
    steps: [{ ...SPEC, ...spec }],
    current: 0,
    step: { phase: 'running', since: AT, targets: [], batches: [], marks: {}, ...step },
    ended: [],
  };
}

const outcome = (status: SeenOutcome['status']): SeenOutcome => ({
  attempt: 1,
  session: 's',
  status,
  index: 1,
});

const CASES: readonly [
  string,
  Partial<StepState>,
  Record<string, SeenOutcome['status']>,
  Control | undefined,
  string,
][] = [
  ['nobody looked yet', { phase: 'waiting' }, {}, undefined, 'about to start'],
  [
    'a gate',
    { phase: 'waiting', gate: 'waiting for a node with service app' },
    {},
    undefined,
    'waiting for a node with service app, 12 s',
  ],
  ['paused', { phase: 'waiting' }, {}, { pause: true }, 'paused, 12 s'],
  [
    'one at work',
    { targets: ['n2', 'n3'] },
    { n2: 'success', n3: 'inprogress' },
    undefined,
    'waiting for n3, 7 s; n2 done',
  ],
  [
    'one not begun, one out of reach',
    { targets: ['n2', 'n3'], marks: { n3: { down: { at: 103_000, by: 'n1' } } } },
    {},
    undefined,
    'n2 has not begun, 12 s; the Consul agent of n3 is down, 9 s',
  ],
  [
    'lost, to be decided',
    { targets: ['n2'] },
    { n2: 'lost' },
    undefined,
    'n2 lost: approve runs it again, cancel ends the run',
  ],
  [
    'being ended',
    { phase: 'stopping', targets: ['n3'], stop: { status: 'cancelled', reason: 'cancelled', since: AT } },
    { n3: 'inprogress' },
    undefined,
    'being ended (cancelled): waiting for n3, 7 s',
  ],
  [
    'paused while at work',
    { targets: ['n3'] },
    { n3: 'inprogress' },
    { pause: true },
    'waiting for n3, 7 s; paused: no new step starts',
  ],
  [
    'between batches',
    { targets: ['n1'], gate: 'canary done: waiting for approval' },
    { n1: 'success' },
    undefined,
    'canary done: waiting for approval; n1 done',
  ],
];

for (const [what, step, outcomes, control, expected] of CASES) {
  test(`what a run waits for: ${what}`, (t) => {
    const seen = {
      outcomes: new Map(Object.entries(outcomes).map(([node, status]) => [node, outcome(status)])),
      ...(control === undefined ? {} : { control }),
    };
    const since = new Map([['n3', { startedAt: 105_000 }]]);
    t.is(describeRun(run(step), seen, since, 112_000), `step 0 configure on service app: ${expected}`);
  });
}

test('a hundred nodes are counted, not listed', (t) => {
  const targets = Array.from({ length: 100 }, (_, no) => `web${no}`);
  const outcomes = new Map(targets.map((node, no) => [node, outcome(no < 90 ? 'success' : 'inprogress')]));
  const text = describeRun(run({ targets }), { outcomes }, new Map(), 112_000);
  t.is(
    text,
    'step 0 configure on service app: waiting for web90, web91, web92, web93, web94 and 5 more; 90 of 100 done',
  );
});

const queued = (ID: string, more: Partial<QueuedEvent> = {}): QueuedEvent => ({
  ID,
  Name: 'deploy',
  Payload: '',
  LTime: 0,
  Data: {},
  Group: 'default',
  Limit: 1,
  Seq: 0,
  QueuedAt: AT,
  ...more,
});

test('why an event waits in the queue', (t) => {
  const first = queued('a');
  const second = queued('b', { Name: 'backup' });
  const say = (one: QueuedEvent, ...rest: [runs?: { id: string; event: string }[], rules?: object]) =>
    describeQueued(one, [first, second], rest[0] ?? [], rest[1] as never, 112_000);
  t.is(say(first), 'about to start');
  t.is(say(first, [{ id: 'r', event: 'web' }]), 'waiting for web (r) to end');
  t.is(say(second), 'behind deploy');
  t.is(
    say(first, [], { planned: true, bufferPeriod: { min: 20_000, max: 60_000 } }),
    'collects further events of its name for 8 s (buffer_period)',
  );
  t.regex(
    describeQueued(queued('c', { Unplanned: AT }), [queued('c')], [], undefined, 112_000),
    /^no node could plan it yet, 12 s/,
  );
});
