import test from 'ava';
import {
  type Admission,
  admission,
  cancelledBy,
  type StartRules,
  startsIn,
} from '../../src/run/admission.js';
import type { QueuedEvent } from '../../src/run/types.js';

const NOW = Date.UTC(2026, 10, 24, 12);
const SECOND = 1000;

interface Row {
  readonly event: QueuedEvent;
}

/** `deploy` queued so many seconds ago. */
function queued(id: string, ago = 60, more: Partial<QueuedEvent> = {}): Row {
  const [name = ''] = id.split(':');
  return {
    event: {
      ID: id,
      Name: name,
      Payload: '',
      LTime: 0,
      Data: {},
      Group: 'default',
      Limit: 1,
      Seq: 0,
      QueuedAt: { at: NOW - ago * SECOND, by: 'n1' },
      ...more,
    },
  };
}

const open: StartRules = { planned: true };
const buffered: StartRules = { planned: true, bufferPeriod: { min: 5 * SECOND, max: 20 * SECOND } };
/** Opens at 13:00, in an hour. */
const shut: StartRules = {
  planned: true,
  window: { days: [0, 1, 2, 3, 4, 5, 6], start: 13 * 60, end: 14 * 60, timeZone: 'UTC' },
};
const cancels = { CancelInProgress: true } as const;
const rerun = { Rerun: { Of: 'e0', From: 0, Done: {} } };

function brief(found: Admission<Row>): string {
  switch (found.kind) {
    case 'start':
      return [`start ${found.queued.event.ID}`, ...found.merged.map((one) => one.event.ID)].join(' with ');
    case 'unplanned':
      return `unplanned ${found.queued.event.ID}`;
    case 'superseded':
      return `superseded ${found.queued.event.ID} by ${found.by.event.ID}`;
    case 'wait':
      return found.until === undefined ? 'wait' : `wait ${found.until / SECOND} s`;
  }
}

const TABLE: readonly [string, readonly Row[], Readonly<Record<string, StartRules>>, string][] = [
  ['nothing is queued', [], {}, 'wait'],
  ['the first of the queue', [queued('a:1'), queued('b:1')], { a: open, b: open }, 'start a:1'],
  [
    'one that nobody here can plan holds its place',
    [queued('a:1'), queued('b:1')],
    { b: open },
    'unplanned a:1',
  ],
  ['outside its window', [queued('a:1')], { a: shut }, 'wait 3600 s'],
  [
    'outside its window it holds up no other',
    [queued('a:1'), queued('b:1')],
    { a: shut, b: open },
    'start b:1',
  ],
  ['outside its window in the order of its name', [queued('a:1'), queued('a:2')], { a: shut }, 'wait 3600 s'],
  ['within its buffer period', [queued('a:1', 2)], { a: buffered }, 'wait 3 s'],
  ['the period begins anew with each', [queued('a:1', 8), queued('a:2', 1)], { a: buffered }, 'wait 4 s'],
  [
    'at the latest after the longest wait',
    [queued('a:1', 19), queued('a:2', 1)],
    { a: buffered },
    'wait 1 s',
  ],
  [
    'many become one, the last',
    [queued('a:1', 21), queued('b:1', 20), queued('a:2', 9), queued('a:3', 1)],
    { a: buffered, b: open },
    'start a:3 with a:1 with a:2',
  ],
  // A dispatcher died after the first of them: the rest is decided again from what is left.
  [
    'some of them are gone already',
    [queued('a:2', 9), queued('a:3', 7)],
    { a: buffered },
    'start a:3 with a:2',
  ],
  [
    'another name waits for its own period',
    [queued('a:1', 1), queued('b:1', 9)],
    { a: buffered, b: buffered },
    'start b:1',
  ],
  ['without a buffer period none is merged', [queued('a:1'), queued('a:2')], { a: open }, 'start a:1'],
  [
    'a rerun is merged into nothing',
    [queued('a:1', 30, rerun), queued('a:2', 1)],
    { a: buffered },
    'start a:1',
  ],
  ['and nothing into a rerun', [queued('a:1', 9), queued('a:2', 1, rerun)], { a: buffered }, 'start a:1'],
  ['a rerun waits for no period', [queued('a:1', 0, rerun)], { a: buffered }, 'start a:1'],
  ['a rerun waits for its window', [queued('a:1', 0, rerun)], { a: shut }, 'wait 3600 s'],
  [
    'a newer one takes its place',
    [queued('a:1', 9, cancels), queued('a:2', 1, cancels)],
    { a: open },
    'superseded a:1 by a:2',
  ],
  [
    'whatever can be planned here',
    [queued('a:1', 9, cancels), queued('a:2', 1, cancels)],
    {},
    'superseded a:1 by a:2',
  ],
  ['the newest starts', [queued('a:2', 1, cancels)], { a: open }, 'start a:2'],
];
for (const [what, queue, rules, expected] of TABLE) {
  test(what, (t) => {
    t.is(brief(admission(queue, (name) => rules[name] ?? { planned: false }, NOW)), expected);
  });
}

test('what an event waits for is told with the instant', (t) => {
  const opens = Date.UTC(2026, 10, 24, 13);
  t.deepEqual(startsIn(shut, [queued('a:1')], NOW), { ms: 3_600_000, why: 'window', at: opens });
  t.deepEqual(startsIn(buffered, [queued('a:1', 2)], NOW), { ms: 3000, why: 'buffer', at: NOW + 3000 });
  t.is(startsIn(open, [queued('a:1')], NOW), undefined);
});

const running = { id: 'a:0', event: 'a', group: 'default' };
const CANCELS: readonly [string, readonly Row[], StartRules, string | undefined][] = [
  ['nothing of its name is queued', [queued('b:1', 1, cancels)], open, undefined],
  ['without cancel_in_progress', [queued('a:1')], open, undefined],
  ['a newer one ends it', [queued('a:1', 1, cancels)], open, 'a:1'],
  ['one of another group does not', [queued('a:1', 1, { ...cancels, Group: 'other' })], open, undefined],
  ['not outside the window of the newer one', [queued('a:1', 1, cancels)], shut, undefined],
  ['not within its buffer period', [queued('a:1', 1, cancels)], buffered, undefined],
  ['after its buffer period', [queued('a:1', 6, cancels)], buffered, 'a:1'],
  [
    'a node that cannot plan it leaves that to others',
    [queued('a:1', 1, cancels)],
    { planned: false },
    undefined,
  ],
];
for (const [what, queue, rule, expected] of CANCELS) {
  test(`cancel_in_progress: ${what}`, (t) => {
    t.is(cancelledBy(queue, [running], () => rule, NOW)[0]?.by.ID, expected);
  });
}
