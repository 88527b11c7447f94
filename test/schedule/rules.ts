import test from 'ava';
import { parseSchedule } from '../../src/schedule/parse.js';
import { checkSchedules } from '../../src/schedule/rules.js';
import type { Problem, Schedule } from '../../src/schedule/types.js';

const line = ({ place, severity, message, hint }: Problem) =>
  `${place.line}:${place.column} ${severity === 'error' ? '' : `${severity} `}${message}${hint === undefined ? '' : ` | ${hint}`}`;
const problems = (text: string) => parseSchedule(text, '/etc/pattern/task.yml').problems.map(line);

const TASKS = 'tasks:\n  t: {operations: [echo: hello]}\n  u: {operations: [echo: hello]}\n';
/** One step of the task t, whose keys begin at 5:9. */
const step = (keys: string, head = '') =>
  `${head}events:\n  deploy:\n    ordered_tasks:\n      - task: t\n${keys.replace(/^/gm, '        ')}\n${TASKS}`;
/** The only operation of the task t, whose entry begins at 7:9. */
const operation = (entry: string, head = '') =>
  `events:\n  deploy:\n    task: t\ntasks:\n  t:\n    operations:\n${entry.replace(/^/gm, '      ')}\n${head}`;
const event = (keys: string) => `events:\n  deploy:\n${keys.replace(/^/gm, '    ')}\n${TASKS}`;

const TABLE: readonly (readonly [what: string, text: string, expected: readonly string[]])[] = [
  ['a task that is not there', event('task: tt'), ['3:11 task: no task "tt" is defined in this file']],
  [
    'a task of a step that is not there',
    event('ordered_tasks:\n  - task: deploy'),
    ['4:15 task: no task "deploy" is defined in this file'],
  ],
  [
    'no tasks at all',
    'events:\n  a:\n    task: t\n',
    ['3:11 task: no task "t" is defined in this file | the file defines no task'],
  ],
  [
    'task and ordered_tasks',
    event('task: t\nordered_tasks:\n  - task: none'),
    ['4:5 warning ordered_tasks: without effect, because "task" stands above it | remove one of the two'],
  ],
  ['neither', event('description: nothing'), ['2:3 expected "task" or "ordered_tasks", found neither']],
  [
    'an event without a value',
    `events:\n  deploy:\n${TASKS}`,
    ['2:10 deploy: expected a map, found nothing'],
  ],
  [
    'no steps',
    event('ordered_tasks: []'),
    ['3:20 ordered_tasks: expected at least one step, found an empty list'],
  ],
  ['no events', TASKS, ['1:1 warning no event is defined here: the file has no effect']],
  [
    'a task without operations',
    `events:\n  deploy:\n    task: t\ntasks:\n  t:\n    description: x\n`,
    [
      '5:3 warning the task has no operations: it does nothing | operations are: execute, service, consul-kvs, consul-event, chef, reboot, wait-for, http, echo',
    ],
  ],
  [
    'keys of a task without effect',
    `events:\n  deploy:\n    task: t\ntasks:\n  t:\n    trigger: x\n    service: y\n    operations: [echo: a]\n`,
    [
      '6:5 warning trigger: without effect on a task | remove it',
      '7:5 warning service: without effect on a task | set "service" on the step, in ordered_tasks',
    ],
  ],
  [
    'a tag without service',
    step('tag: primary'),
    ['5:9 warning tag: without effect without "service": the step goes to every node'],
  ],
  [
    'canary with nothing to decide',
    step('canary: 1'),
    [
      '5:9 canary: expected something that decides after it | add "approve: true", or "health_check: true" with "min_healthy_time"',
    ],
  ],
  [
    'run_once with shares of failures',
    step('run_once: true\nmax_fail_percentage: 10'),
    ['6:9 warning max_fail_percentage: without effect with run_once, which has one target only'],
  ],
  [
    'an order without batches',
    step('order: shuffle'),
    ['5:9 warning order: without effect without serial, canary or run_once: all targets start at once'],
  ],
  ['an order with batches by default', step('order: shuffle', 'default: {step: {serial: 1}}\n'), []],
  ['an order by default', step('skippable: true', 'default: {step: {order: shuffle}}\n'), []],
  [
    'ignore_unreachable beside ignore_errors',
    step('ignore_errors: true\nignore_unreachable: true'),
    ['6:9 warning ignore_unreachable: without effect beside ignore_errors'],
  ],
  [
    'a task longer than its step',
    step('timeout: 2h'),
    ['5:9 warning timeout: longer than step_timeout, which ends the task before | raise step_timeout'],
  ],
  [
    'a step shorter than its health',
    step('service: a\nhealth_check: true\nstep_timeout: 5m'),
    [
      '7:9 warning healthy_deadline: not before step_timeout, which ends the step before a target is found unhealthy | raise step_timeout',
    ],
  ],
  [
    'a grace that lost_grace cuts',
    step('grace: 30s'),
    [
      '5:9 warning grace: longer than a third of lost_grace, and cut to that: a task must have ended before it is called lost | raise lost_grace to 90s or more',
    ],
  ],
  ['a grace that lost_grace allows', step('grace: 30s\nlost_grace: 90s'), []],
  ['canary with approve', step('canary: 1\napprove: true'), []],
  ['canary with health', step('service: a\ncanary: 1\nhealth_check: true\nmin_healthy_time: 5s'), []],
  ['canary by default, approve on the step', step('approve: true', 'default: {step: {canary: 1}}\n'), []],
  [
    'canary by default, nothing on the step',
    step('serial: 1', 'default: {step: {canary: 1}}\n'),
    [
      '5:9 canary: expected something that decides after it | add "approve: true", or "health_check: true" with "min_healthy_time"',
    ],
  ],
  [
    'serial with run_once',
    step('serial: 1\nrun_once: true'),
    ['5:9 serial: cannot stand with run_once, which has one target only | remove one of the two'],
  ],
  ['serial with run_once off', step('serial: 1\nrun_once: no'), []],
  [
    'health without a service',
    step('health_check: true'),
    ['5:9 health_check: expected "service" on the step, whose checks it looks at'],
  ],
  [
    'healthy times without health',
    step('service: a\nmin_healthy_time: 5\nhealthy_deadline: 3'),
    [
      '6:9 warning min_healthy_time: without effect without "health_check: true"',
      '7:9 warning healthy_deadline: without effect without "health_check: true"',
    ],
  ],
  [
    'a deadline before its time',
    step('service: a\nhealth_check: true\nhealthy_deadline: 5'),
    ['7:9 healthy_deadline: expected a healthy_deadline longer than min_healthy_time (10 s when absent)'],
  ],
  [
    'errors both fatal and ignored',
    step('any_errors_fatal: true\nignore_errors: true'),
    ['5:9 any_errors_fatal: cannot stand with ignore_errors | remove one of the two'],
  ],
  [
    'a percentage that cannot matter',
    step('any_errors_fatal: true\nmax_fail_percentage: 5'),
    [
      '6:9 warning max_fail_percentage: without effect beside any_errors_fatal, which allows no failure at all',
    ],
  ],
  [
    'a delay without retries',
    step('retry_delay: 5\nretry_backoff: 2'),
    [
      '5:9 warning retry_delay: without effect without "retries"',
      '6:9 warning retry_backoff: without effect without "retries"',
    ],
  ],
  [
    'tags to look at without a service',
    step('when: {tags: [a]}'),
    ['5:16 when.tags: expected "service" on the step, whose tags it looks at'],
  ],
  [
    'a status of this very step',
    step('when:\n  steps: {t: success}'),
    ['6:19 when.steps: the task "t" runs at this step or later, not before it | this is the first step'],
  ],
  [
    'a status of a later step',
    event('ordered_tasks:\n  - task: u\n  - task: u\n    when: {steps: {t: error}}\n  - task: t'),
    ['6:24 when.steps: the task "t" runs at this step or later, not before it | earlier steps run: u'],
  ],
  [
    'a status of an earlier step',
    event('ordered_tasks:\n  - task: u\nalways:\n  - task: t\n    when: {steps: {u: [error, skip]}}'),
    [],
  ],
  [
    'a status that does not exist',
    step('when: {steps: {t: [failed]}}'),
    [
      '5:24 when.steps: the task "t" runs at this step or later, not before it | this is the first step',
      '5:28 t[0]: expected "success" or "error" or "timeout" or "skip" or "cancelled", found "failed"',
    ],
  ],
  [
    'an empty window',
    event('task: t\nwindow: {start: "22:00", end: "22:00"}'),
    [
      '4:35 window: start and end are the same: expected a window that is not empty | leave both out for the whole day',
    ],
  ],
  [
    'a window without days',
    event('task: t\nwindow: {days: []}'),
    ['4:20 days: expected a day or a list of days, found an empty list'],
  ],
  [
    'an unknown day, time and zone',
    event('task: t\nwindow: {days: [mo, fry], start: 25:00, time_zone: Europe/Berlim}'),
    [
      '4:21 days[0]: expected a day such as mon, a range such as mon-fri, or a number from 0 (Sunday) to 6, found "mo"',
      '4:25 days[1]: expected a day such as mon, a range such as mon-fri, or a number from 0 (Sunday) to 6, found "fry"',
      '4:38 start: expected a time of day such as "22:00", found "25:00"',
      '4:56 time_zone: unknown time zone "Europe/Berlim"; expected a name such as "Europe/Berlin" or "UTC" | did you mean "Europe/Berlin"?',
    ],
  ],
  [
    'periods',
    event('task: t\nbuffer_period: 20s/5s'),
    [
      '4:20 buffer_period: expected a shortest and a longest wait such as "5s/20s", the shorter one first, found "20s/5s"',
    ],
  ],
  [
    'execute with both',
    operation('- execute:\n    file: a\n    script: b'),
    ['9:11 execute: expected "file" or "script", found both | put each into an operation of its own'],
  ],
  [
    'execute with neither',
    operation('- execute:\n    output: true'),
    ['7:9 execute: expected "file" or "script", found neither'],
  ],
  [
    'execute with its file by default',
    operation('- execute:\n    arguments: [a]', 'default: {execute: {file: b}}\n'),
    [],
  ],
  [
    'arguments for a script',
    operation('- execute:\n    script: a\n    arguments: [b]'),
    ['9:11 warning arguments: without effect without "file": a script takes none'],
  ],
  [
    'put without a value',
    operation('- consul-kvs: {action: put, key: a}'),
    ['7:9 consul-kvs: expected "value" for the action "put"'],
  ],
  ['put with the empty value', operation('- consul-kvs: {action: put, key: a, value: }'), []],
  [
    'get to nowhere',
    operation('- consul-kvs: {action: get, key: a, value: b}'),
    [
      '7:9 warning consul-kvs: the value that is read goes nowhere: expected "name", a variable that takes it',
      '7:43 warning value: without effect unless the action is "put"',
    ],
  ],
  [
    'wait-for with two',
    operation('- wait-for: {tcp: 80, service: a}'),
    ['7:9 wait-for: expected one of "tcp", "http" and "service", found tcp and service'],
  ],
  [
    'wait-for with none',
    operation('- wait-for: {timeout: 5}'),
    ['7:9 wait-for: expected one of "tcp", "http" and "service", found none'],
  ],
  [
    'wait-for with a wrong port',
    operation('- wait-for: {tcp: "localhost:99999"}'),
    ['7:25 tcp: expected host:port with a port from 1 to 65535, found "localhost:99999"'],
  ],
  [
    'a wrong URL and method',
    operation('- http: {url: example.com, method: PSOT}'),
    [
      '7:21 url: expected a URL that begins with http:// or https://, found "example.com"',
      '7:42 method: expected GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, found "PSOT" | did you mean "POST"?',
    ],
  ],
  [
    'a body for GET',
    operation('- http: {url: "http://a", body: b}'),
    ['7:39 body: a request with the method GET or HEAD has none | set "method: POST"'],
  ],
  [
    'a cron field',
    `${step('')}schedules:\n  - {cron: 61 * * * *, event: deploy}\n`,
    ['10:12 cron: Too large value "61" for minutes; expected 0-59'],
  ],
];

for (const [what, text, expected] of TABLE) {
  test(what, (t) => t.deepEqual(problems(text), [...expected]));
}

function schedule(file: string, text: string): Schedule {
  const { schedule: read, problems: found } = parseSchedule(text, file);
  if (read === undefined) throw new Error(found.map(line).join('\n'));
  return read;
}

const across = (files: Readonly<Record<string, string>>, complete = true) =>
  checkSchedules(
    Object.entries(files).map(([file, text]) => schedule(file, text)),
    { complete },
  ).map((problem) => `${problem.place.file}:${line(problem)}`);

test('two folders of one name, and one file twice', (t) => {
  t.deepEqual(across({ '/a/web/task.yml': event('task: t'), '/b/web/task.yml': event('task: t') }), [
    '/b/web/task.yml:1:1 the folder has the same name as that of /a/web/task.yml: expected another name, since it is the pattern ("web") | rename one of the two folders, or put both files into one',
  ]);
  t.deepEqual(across({ '/a/web/task.yml': event('task: t'), '/a/../a/web/task.yml': event('task: t') }), [
    '/a/../a/web/task.yml:1:1 the file is listed twice | list it once in "files"',
  ]);
});

test('an event means the same in all files', (t) => {
  const a = event('task: t\nconcurrency: web\nwindow: {start: "01:00"}');
  const b = event('task: t\nconcurrency: db\nwindow: {start: "01:00"}');
  t.deepEqual(across({ '/a/task.yml': a, '/b/task.yml': b, '/c/task.yml': event('task: t') }), [
    '/b/task.yml:2:3 event "deploy" has another concurrency here than in /a/task.yml:2: expected the same in all files | let one file say it, or all the same',
  ]);
});

test('all events of a group have one limit', (t) => {
  const two = (limit: number) =>
    `events:\n  a: {task: t, concurrency: {group: g, limit: 3}}\n  b: {task: t, concurrency: {group: g, limit: ${limit}}}\n${TASKS}`;
  t.deepEqual(across({ '/a/task.yml': two(3) }), []);
  t.deepEqual(across({ '/a/task.yml': two(1) }), [
    '/a/task.yml:3:3 warning limit: the group "g" has limit 1 here and 3 for event "a" in /a/task.yml:2 | let all events of a group have the same limit',
  ]);
  // The other file says nothing of it: then this one says it for both.
  const silent = `events:\n  a: {task: t}\n${TASKS}`;
  t.deepEqual(across({ '/a/task.yml': silent, '/b/task.yml': two(3) }), []);
});

test('a cron entry names an event of any file, once', (t) => {
  const entry = '  - {cron: 0 3 * * *, event: deploi}\n';
  const text = `${event('task: t')}schedules:\n${entry}${entry}`;
  t.deepEqual(across({ '/a/task.yml': text }), [
    '/a/task.yml:8:5 no schedule file defines the event "deploi" | did you mean "deploy"?',
    '/a/task.yml:9:5 no schedule file defines the event "deploi" | did you mean "deploy"?',
    '/a/task.yml:9:5 the same entry stands on line 8 already',
  ]);
  t.deepEqual(
    across({
      '/a/task.yml': text.replaceAll('deploi', 'other').replace(entry.replace('deploi', 'other'), ''),
      '/b/task.yml': event('task: t').replace('deploy', 'other'),
    }),
    [],
  );
  t.deepEqual(across({ '/a/task.yml': text.replace(entry, '') }, false), []);
});

test('when.steps may name a step of another file, if that one comes first', (t) => {
  const asks = event('ordered_tasks:\n  - task: t\n    when: {steps: {u: success}}');
  const gives = (priority: number) => event(`priority: ${priority}\ntask: u`);
  t.deepEqual(across({ '/a/task.yml': asks, '/b/task.yml': gives(10) }), []);
  t.deepEqual(across({ '/a/task.yml': asks, '/b/task.yml': gives(90) }), [
    '/a/task.yml:4:9 when.steps: no earlier step runs the task "u" | this is the first step',
  ]);
});
