import test, { type ExecutionContext } from 'ava';
import type { Entry } from '../../src/store/client.js';
import {
  type Decoded,
  decodeAssignment,
  decodeControl,
  decodeOutcome,
  decodeQueued,
  decodeRecord,
  decodeRun,
} from '../../src/store/documents.js';
import { assignmentOf, queuedEvent, runOf, stepState } from './_documents.js';

const entry = (value: unknown): Entry => ({
  key: 'metronome/some/key',
  value: typeof value === 'string' ? value : JSON.stringify(value),
  createIndex: 1,
  modifyIndex: 2,
  flags: 0,
});

const run = runOf('e1', ['n1']);
const DECODERS: Readonly<Record<string, { good: object; decode: (entry: Entry) => Decoded<unknown> }>> = {
  decodeRun: { good: run, decode: (one) => decodeRun(one, 'e1') },
  decodeQueued: { good: queuedEvent('e1'), decode: (one) => decodeQueued(one, 'e1') },
  decodeOutcome: { good: { attempt: 1, session: 's', status: 'lost', reason: 'r' }, decode: decodeOutcome },
  decodeAssignment: { good: assignmentOf(run, 5), decode: decodeAssignment },
  decodeControl: { good: { cancel: 1, pause: true, approve: { '0': 1 } }, decode: decodeControl },
  decodeRecord: { good: { anything: [] }, decode: decodeRecord },
};

const SCRAPS: readonly string[] = [
  '',
  ' ',
  'null',
  'true',
  '0',
  '1e999',
  '"text"',
  '[]',
  '[{}]',
  '{',
  '{"version":1',
  '{"version":1}}',
  '\ufeff{}',
  "{'a': 1}",
  'undefined',
  '\u0000',
  '<html>',
  '[' + '['.repeat(100_000),
];

function broken(t: ExecutionContext, decoded: Decoded<unknown>, what: string): string {
  if (decoded.ok) {
    t.fail(`taken for good: ${what}`);
    return '';
  }
  t.is(decoded.broken.key, 'metronome/some/key');
  t.notRegex(decoded.broken.problem, /^$|\n/, what);
  return decoded.broken.problem;
}

for (const [name, { good, decode }] of Object.entries(DECODERS)) {
  test(`${name}: what is good comes back as it was`, (t) => {
    t.deepEqual(decode(entry(good)), { ok: true, value: good });
    // A newer version may add fields.
    t.true(decode(entry({ ...good, somethingNew: { a: 1 } })).ok);
  });

  test(`${name}: what is no JSON object is broken`, (t) => {
    for (const text of SCRAPS) broken(t, decode(entry(text)), text.slice(0, 30));
  });

  test(`${name}: half of a good one is broken`, (t) => {
    const text = JSON.stringify(good);
    for (let length = 0; length < text.length; length += 1)
      broken(t, decode(entry(text.slice(0, length))), `${length} characters`);
  });

  test(`${name}: whatever stands in a field, it does not throw`, (t) => {
    const odd = [null, 0, -1, 1.5, '', 'x', '../x', [], [null], {}, { at: 'x' }, true, 1e300];
    const record = good as Record<string, unknown>;
    for (const field of Object.keys(record)) {
      const { [field]: _, ...without } = record;
      t.notThrows(() => decode(entry(without)));
      for (const value of odd) t.notThrows(() => decode(entry({ ...record, [field]: value })));
      const inner = record[field];
      if (typeof inner !== 'object' || inner === null) continue;
      for (const part of Object.keys(inner))
        for (const value of odd)
          t.notThrows(() => decode(entry({ ...record, [field]: { ...inner, [part]: value } })));
    }
  });
}

type Fault = readonly [change: object, problem: RegExp];

function faults(name: string, table: readonly Fault[]): void {
  test(`${name} says what is wrong`, (t) => {
    const { good, decode } = DECODERS[name] as (typeof DECODERS)[string];
    for (const [change, problem] of table) {
      const what = JSON.stringify(change);
      t.regex(broken(t, decode(entry({ ...good, ...change })), what), problem, what);
    }
  });
}

const step = stepState({ targets: ['n1'], batches: [1] });
faults('decodeRun', [
  [{ version: 0 }, /^expected version 1, found 0$/],
  [{ version: 2 }, /version 1, found 2/],
  [{ version: undefined }, /version 1, found undefined/],
  [{ id: 'e10' }, /^expected id e1, found "e10"$/],
  [{ steps: 'x' }, /steps/],
  [{ steps: [{ no: 1, task: 'x' }] }, /steps/],
  [{ steps: [{ no: 0 }] }, /steps/],
  [{ steps: [null] }, /steps/],
  [{ current: -1 }, /current/],
  [{ current: 0.5 }, /current/],
  [{ current: '0' }, /current/],
  [{ step: null }, /phase/],
  [{ step: { ...step, phase: 'resting' } }, /phase/],
  [{ step: { ...step, since: { at: 1 } } }, /incomplete/],
  [{ step: { ...step, targets: undefined } }, /incomplete/],
  [{ step: { ...step, batches: {} } }, /incomplete/],
  [{ step: { ...step, marks: [] } }, /incomplete/],
  [{ step: { ...step, targets: ['n1', '../n2'] } }, /target/],
  [{ step: { ...step, targets: [1] } }, /target/],
  [{ ended: undefined }, /incomplete/],
  [{ startedAt: 5 }, /incomplete/],
  [{ queuedAt: { at: '1', by: 'n1' } }, /incomplete/],
  [{ group: 'a/b' }, /slot/],
  [{ group: '' }, /slot/],
  [{ slot: '0' }, /slot/],
  [{ event: undefined }, /event/],
]);
faults('decodeQueued', [
  [{ ID: 'e10' }, /^expected ID e1, found "e10"$/],
  [{ Name: 'a/b' }, /Name has a slash/],
  [{ Name: 3 }, /Name expected a string/],
  [{ Name: 'a\nb' }, /control character/],
  [{ Payload: null }, /Payload/],
  [{ Data: null }, /Data/],
  [{ Data: ['x'] }, /Data/],
  [{ Data: { a: 1 } }, /Data/],
  [{ Group: '..' }, /Group/],
  [{ Limit: 0 }, /Limit/],
  [{ Limit: 1.5 }, /Limit/],
  [{ QueuedAt: 1 }, /QueuedAt/],
]);
faults('decodeOutcome', [
  [{ attempt: 0 }, /attempt/],
  [{ attempt: '1' }, /attempt/],
  [{ status: 'done' }, /status is "done"/],
  [{ status: undefined }, /status/],
]);
faults('decodeAssignment', [
  [{ version: 0 }, /version 1, found 0/],
  [{ event: '' }, /event is empty/],
  [{ pattern: '../etc' }, /pattern has a slash/],
  [{ pattern: '..' }, /pattern/],
  [{ task: 'rm\u0000' }, /task has a control/],
  [{ attempt: 0 }, /attempt/],
  [{ grace: undefined }, /grace/],
  [{ lostGrace: '60' }, /grace/],
]);
faults('decodeControl', [
  [{ cancel: true }, /cancel/],
  [{ pause: 1 }, /pause/],
  [{ approve: [] }, /approve/],
]);
