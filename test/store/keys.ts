import test from 'ava';
import { keysBelow, parseAssignment, parseProgress, parseResult, parseSlot } from '../../src/store/keys.js';

const keys = keysBelow('deep/metronome/');
const NODES = ['n1', 'n10', 'ñ', 'a b', '.keep', 'run', 'log', '%2F', '?x#y', 'e1.dc1.example'];
const IDS = ['e1', '8f7cb6d2-0c3f-4d1f-9d57-1f5a1b4c2d3e', 'a.b_c-d', '0', 'run', 'x..y'];

test('the keys are those of the README', (t) => {
  t.deepEqual(
    [
      keys.queued('e1'),
      keys.slot('default', 0),
      keys.progressOf('e1'),
      keys.run('e1'),
      keys.step('e1', 2),
      keys.outcome('e1', 2, 'n1'),
      keys.inbox('n1'),
      keys.keep('n1'),
      keys.assignment('n1', 'e1', 2),
      keys.resultsOf('e1'),
      keys.result('e1'),
      keys.stepResult('e1', 2),
      keys.nodeResult('e1', 2, 'n1'),
      keys.log('e1', 2, 'n1'),
      keys.control('e1'),
      keys.schedule('web-1'),
    ],
    [
      'event_queue/e1',
      'active/default/0',
      'progress_task_queue/e1/',
      'progress_task_queue/e1/run',
      'progress_task_queue/e1/2/',
      'progress_task_queue/e1/2/n1',
      'inbox/n1/',
      'inbox/n1/.keep',
      'inbox/n1/e1/2',
      'results/e1/',
      'results/e1',
      'results/e1/2',
      'results/e1/2/n1',
      'results/e1/2/n1/log',
      'control/e1',
      'schedules/web-1',
    ].map((key) => `deep/metronome/${key}`),
  );
});

test('every prefix ends with a slash', (t) => {
  for (const prefix of [
    keys.prefix,
    keys.queue,
    keys.active,
    keys.progress,
    keys.progressOf('e1'),
    keys.step('e1', 1),
    keys.inbox('n1'),
    keys.results,
    keys.resultsOf('e1'),
    keys.controls,
    keys.schedules,
  ])
    t.true(prefix.endsWith('/'), prefix);
});

test('what is built is parsed to what it was built from', (t) => {
  for (const id of IDS) {
    t.deepEqual(parseProgress(keys, keys.run(id)), { id, kind: 'run' });
    t.deepEqual(parseProgress(keys, keys.turn(id)), { id, kind: 'turn' });
    t.deepEqual(parseResult(keys, keys.result(id)), { id });
    for (const no of [0, 1, 10, 999_999]) {
      t.deepEqual(parseResult(keys, keys.stepResult(id, no)), { id, no });
      for (const node of NODES) {
        t.deepEqual(parseProgress(keys, keys.outcome(id, no, node)), { id, kind: 'outcome', no, node });
        t.deepEqual(parseAssignment(keys, node, keys.assignment(node, id, no)), { id, no });
        t.deepEqual(parseResult(keys, keys.nodeResult(id, no, node)), { id, no, node });
        t.deepEqual(parseResult(keys, keys.log(id, no, node)), { id, no, node, log: true });
      }
    }
  }
  for (const group of NODES) t.deepEqual(parseSlot(keys, keys.slot(group, 7)), { group, slot: 7 });
});

const HOSTILE_IDS = [
  '',
  '.',
  '..',
  ' ',
  'a b',
  '-x',
  '.x',
  '_x',
  'é',
  'a\n',
  'a\0',
  '%2e%2e',
  'x'.repeat(129),
];
const HOSTILE_NUMBERS = ['', '00', '01', '-1', '+1', '1.0', '1e3', '0x1', ' 1', '1 ', '1234567', 'NaN', '١'];
const HOSTILE_NODES = ['', '.', '..', 'a\u0000b', 'a\nb', '\u0085', '\u2028', '\ud800', 'x'.repeat(129)];

test('hostile parts are none of ours', (t) => {
  for (const id of HOSTILE_IDS) {
    t.is(parseProgress(keys, keys.run(id)), undefined, JSON.stringify(id));
    t.is(parseProgress(keys, keys.outcome(id, 0, 'n1')), undefined, JSON.stringify(id));
    t.is(parseAssignment(keys, 'n1', keys.assignment('n1', id, 0)), undefined, JSON.stringify(id));
    t.is(parseResult(keys, keys.result(id)), undefined, JSON.stringify(id));
    t.is(parseResult(keys, keys.log(id, 0, 'n1')), undefined, JSON.stringify(id));
  }
  for (const no of HOSTILE_NUMBERS) {
    t.is(parseProgress(keys, `${keys.progress}e1/${no}/n1`), undefined, JSON.stringify(no));
    t.is(parseAssignment(keys, 'n1', `${keys.inbox('n1')}e1/${no}`), undefined, JSON.stringify(no));
    t.is(parseSlot(keys, `${keys.active}default/${no}`), undefined, JSON.stringify(no));
    t.is(parseResult(keys, `${keys.results}e1/${no}`), undefined, JSON.stringify(no));
  }
  for (const node of HOSTILE_NODES) {
    t.is(parseProgress(keys, keys.outcome('e1', 0, node)), undefined, JSON.stringify(node));
    t.is(parseResult(keys, keys.nodeResult('e1', 0, node)), undefined, JSON.stringify(node));
    t.is(parseSlot(keys, keys.slot(node, 0)), undefined, JSON.stringify(node));
  }
});

test('keys of others, too short or too long ones, are none of ours', (t) => {
  for (const key of [
    '',
    'deep/metronome/',
    'deep/metronome/progress_task_queue/',
    'deep/metronome/progress_task_queue/e1',
    'deep/metronome/progress_task_queue/e1/',
    'deep/metronome/progress_task_queue/e1/run/',
    'deep/metronome/progress_task_queue/e1/walk',
    'deep/metronome/progress_task_queue/e1/0',
    'deep/metronome/progress_task_queue/e1/0/n1/x',
    'metronome/progress_task_queue/e1/run',
    'xdeep/metronome/progress_task_queue/e1/run',
    'deep/metronome/results/e1/run',
  ])
    t.is(parseProgress(keys, key), undefined, key);
  for (const key of [
    keys.keep('n1'),
    keys.assignment('n10', 'e1', 0),
    keys.inbox('n1'),
    `${keys.inbox('n1')}e1`,
    `${keys.inbox('n1')}e1/0/x`,
    `${keys.inbox('n1')}e1/0/`,
    keys.outcome('e1', 0, 'n1'),
  ])
    t.is(parseAssignment(keys, 'n1', key), undefined, key);
  for (const key of [keys.active, `${keys.active}default`, `${keys.active}default/0/`, `${keys.active}/0`])
    t.is(parseSlot(keys, key), undefined, key);
  for (const key of [
    keys.results,
    keys.resultsOf('e1'),
    `${keys.results}e1/0/n1/log/x`,
    `${keys.results}e1/0/n1/other`,
    `${keys.results}e1/0/`,
    keys.run('e1'),
  ])
    t.is(parseResult(keys, key), undefined, key);
});
