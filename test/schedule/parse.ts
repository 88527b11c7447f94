import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseSchedule } from '../../src/schedule/parse.js';

const ROOT = join(import.meta.dirname, '../../..');

/** `line:column severity message | hint` of every problem. */
function problems(text: string, file = '/etc/pattern/task.yml'): string[] {
  return parseSchedule(text, file).problems.map(
    ({ place, severity, message, hint }) =>
      `${place.line}:${place.column} ${severity === 'error' ? '' : `${severity} `}${message}${hint === undefined ? '' : ` | ${hint}`}`,
  );
}

const TASK = '\ntasks:\n  t:\n    operations:\n      - echo: hello\n';
/** One event with one step, whose keys begin on line 4, column 7. */
const step = (keys: string, task = TASK) =>
  `events:\n  deploy:\n    ordered_tasks:\n      - task: t\n${keys.replace(/^/gm, '        ')}${task}`;
/** One task with one operation, whose entry begins on line 7, column 9. */
const operation = (entry: string) =>
  `events:\n  deploy:\n    task: t\ntasks:\n  t:\n    operations:\n${entry.replace(/^/gm, '      ')}\n`;

const fixture = readFileSync(join(ROOT, 'test/fixtures/schedule/features/task.yml'), 'utf8');

test('a file with every feature of the original is read as it means', (t) => {
  const { schedule, problems: found } = parseSchedule(fixture, 'test/fixtures/schedule/features/task.yml');
  t.deepEqual(
    found.filter(({ severity }) => severity === 'error'),
    [],
  );
  t.deepEqual(
    found.map(({ place, path }) => `${place.line}:${place.column} ${path}`),
    ['59:5 tasks.dump.trigger', '60:5 tasks.dump.filter', '61:5 tasks.dump.service', '62:5 tasks.dump.tag'],
  );
  if (schedule === undefined) return t.fail();
  t.is(schedule.pattern, 'features');
  t.true(schedule.folder.endsWith('/test/fixtures/schedule/features'));
  t.regex(schedule.hash, /^[0-9a-f]{64}$/);
  // As they are written, not as YAML understands them.
  t.deepEqual(
    { ...schedule.variables },
    { version: '1.10', mode: '0755', enabled: 'true', folder: '/srv/backup', nothing: '' },
  );
  t.deepEqual({ ...schedule.environments }, { PATH: '/opt/bin:$PATH', DATA: '{{folder}}/data' });
  t.is(schedule.defaults.timeout, 900_000);
  t.deepEqual(
    schedule.events.configure?.steps.map(({ service, tag, task, skippable, place }) => [
      service,
      tag,
      task,
      skippable,
      place.line,
    ]),
    [
      ['database', 'primary', 'set_up', undefined, 23],
      ['database', 'standby', 'set_up', false, 26],
      [undefined, undefined, 'dump', true, 30],
    ],
  );
  t.is(schedule.events.configure?.priority, 20);
  t.deepEqual(
    [
      schedule.events.deploy?.priority,
      schedule.events.deploy?.steps.length,
      schedule.events.deploy?.steps[0]?.task,
    ],
    [50, 1, 'set_up'],
  );
  t.is(schedule.tasks.dump?.timeout, 60_000);
  t.is(schedule.tasks.set_up?.timeout, undefined);
  const kinds = schedule.tasks.set_up?.operations.map(({ place: _, ...rest }) => rest);
  t.deepEqual(JSON.parse(JSON.stringify(kinds)), [
    { kind: 'execute', file: 'prepare.sh', arguments: ['a b', '1.0', 'true'], output: false },
    {
      kind: 'chef',
      runList: ['role[{{role}}_setup]'],
      configurations: { ssl_verify_mode: ':verify_none' },
      attributes: { a: { b: [1, null, 'c'] } },
      attributeKeys: ['node/attributes'],
    },
    { kind: 'service', name: 'postgresql-9.4', action: 'restart' },
    { kind: 'consul-kvs', action: 'put', key: 'lock', value: 'true' },
    { kind: 'consul-kvs', action: 'get', key: 'lock', name: 'locked' },
    { kind: 'consul-kvs', action: 'delete', key: 'lock' },
    { kind: 'consul-event', name: 'backup', filter: { service: 'database', tag: 'primary' } },
    { kind: 'echo', message: '12' },
  ]);
});

for (const name of ['task.yml']) {
  test(`the original's own ${name} has no error`, (t) => {
    const file = join(ROOT, '../shared/original', name);
    if (!existsSync(file)) return t.pass(`${file} is not there: nothing to read`);
    const { schedule, problems: found } = parseSchedule(readFileSync(file, 'utf8'), file);
    t.deepEqual(
      found.filter(({ severity }) => severity === 'error'),
      [],
    );
    t.deepEqual(Object.keys(schedule?.events ?? {}), ['setup', 'configure', 'deploy', 'backup', 'restore']);
    t.is(schedule?.events.configure?.steps.length, 5);
    t.is(schedule?.tasks.restore_database?.operations.length, 5);
  });
}

test('every key beyond the original is read', (t) => {
  const text = readFileSync(join(ROOT, 'test/fixtures/schedule/rolling/task.yml'), 'utf8');
  const { schedule, problems: found } = parseSchedule(text, '/etc/rolling/task.yml');
  t.deepEqual(found, []);
  const plain = JSON.parse(JSON.stringify(schedule));
  const { place: _, when, ...first } = plain.events.deploy.steps[0];
  t.deepEqual(first, {
    service: 'app',
    tag: 'blue',
    task: 'install',
    startTimeout: 90_000,
    stepTimeout: 5_400_000,
    timeout: 300_000,
    lostGrace: 30_000,
    onLost: 'hold',
    grace: 500,
    serial: [{ count: 1 }, { percent: 25 }, { percent: 100 }],
    order: 'shuffle',
    canary: 2,
    approve: true,
    maxFailPercentage: 30,
    ignoreUnreachable: true,
    quorum: { percent: 50 },
    healthCheck: true,
    minHealthyTime: 20_000,
    healthyDeadline: 600_000,
    waitFor: [
      { service: 'database', passing: 'all' },
      { service: 'cache', tag: 'a', passing: 2 },
    ],
    retries: 3,
    retryDelay: 5000,
    retryBackoff: 2,
    successCodes: [0, 3],
  });
  t.deepEqual(when, { variables: { stage: ['production', '1'] }, tags: ['blue'], meta: { rack: ['a'] } });
  t.deepEqual(plain.events.deploy.rescue[0].when, { steps: { install: ['error', 'timeout'] } });
  t.is(plain.events.deploy.always.length, 1);
  t.deepEqual(plain.events.deploy.concurrency, { group: 'app', cancelInProgress: true, limit: 2 });
  t.deepEqual(plain.events.deploy.bufferPeriod, { min: 5000, max: 20_000 });
  t.deepEqual(plain.events.deploy.window, {
    days: [0, 1, 5, 6],
    start: 1320,
    end: 270,
    timeZone: 'Europe/Berlin',
  });
  t.deepEqual(plain.events.reboot.concurrency, { group: 'default', cancelInProgress: false, limit: 1 });
  t.deepEqual(plain.events.reboot.window, {
    days: [0, 1, 2, 3, 4, 5, 6],
    start: 0,
    end: 1440,
    timeZone: 'UTC',
  });
  t.deepEqual(plain.defaults.step, { startTimeout: 60_000, runOnce: false });
  const operations = plain.tasks.install.operations.map(
    ({ place: _place, ...rest }: { place: unknown }) => rest,
  );
  t.deepEqual(operations, [
    { kind: 'execute', script: 'true\n', arguments: [], output: true, retries: 2, retryDelay: 1000 },
    { kind: 'reboot' },
    { kind: 'reboot', command: 'shutdown -r now', timeout: 900_000 },
    { kind: 'wait-for', target: { tcp: { host: 'localhost', port: 5432 } }, timeout: 60_000, interval: 2000 },
    { kind: 'wait-for', target: { tcp: { host: '127.0.0.1', port: 80 } } },
    { kind: 'wait-for', target: { http: { url: 'http://localhost/health', status: [200, 204] } } },
    { kind: 'wait-for', target: { service: { name: 'app', tag: 'blue', passing: 2 } } },
    { kind: 'wait-for', target: { service: { name: 'app', passing: 'all' } } },
    {
      kind: 'http',
      url: 'https://example.com/{{x}}',
      method: 'POST',
      headers: { 'X-A': '1' },
      body: '{}',
      status: [201],
      timeout: 5000,
    },
    { kind: 'chef', runList: ['a'], configurations: {}, attributes: {}, attributeKeys: ['app/attributes'] },
  ]);
  const [entry] = plain.schedules;
  t.regex(entry.name, /^rolling-[0-9a-f]{10}$/);
  t.like(entry, {
    cron: '30 2 * * mon-fri',
    timeZone: 'Europe/Berlin',
    event: 'deploy',
    data: { version: '1.10' },
    catchUp: 'once',
    jitter: 300_000,
  });
});

const SYNTAX: readonly (readonly [what: string, text: string, expected: readonly string[]])[] = [
  ['an empty file', '', ['1:1 the file is empty: expected a map with "events" and "tasks"']],
  ['comments only', '# nothing\n', ['1:1 the file is empty: expected a map with "events" and "tasks"']],
  ['a list', '- a', ['1:1 expected a map with "events" and "tasks", found a list']],
  ['a text', 'hello', ['1:1 expected a map with "events" and "tasks", found "hello"']],
  [
    'two documents',
    'events: {}\n---\ntasks: {}\n',
    ['2:1 a second document starts here: expected one document in a file | remove the "---"'],
  ],
  [
    'a tab',
    'events:\n\tdeploy: {}\n',
    ['2:1 a tab in the indentation: YAML takes spaces only | replace the tab by spaces'],
  ],
  ['NUL', 'events: \u0000', ['1:9 control character U+0000: expected a text file']],
  [
    'NUL by escape',
    `variables:\n  a: "x\\0"${step('')}`.replace('"events', '"\nevents'),
    ['2:6 a NUL character: no command line and no variable can hold it'],
  ],
  [
    'a key twice',
    `variables: {}\nvariables: {a: 1}\n${step('')}`,
    ['2:1 the key "variables" stands twice; it stood on line 1 already'],
  ],
  [
    'a reserved name',
    `variables:\n  __proto__: a\n${step('')}`,
    ['2:3 the name "__proto__" is reserved and cannot be used'],
  ],
  [
    'an unknown alias',
    `variables:\n  a: &here b\n  c: *hree\n${step('')}`,
    ['3:6 no anchor "&hree" stands before this alias | did you mean "here"?'],
  ],
  [
    'an alias within itself',
    `variables: &a\n  b: *a\n${step('')}`,
    ['2:3 b: expected a text, found a map', '2:6 the alias "*a" stands within what it stands for'],
  ],
  ['an open quote', 'events:\n  deploy: "x\n', ['3:1 not YAML: Missing closing "quote']],
  [
    'a wrong merge',
    `variables:\n  <<: 3\n${step('')}`,
    ['2:3 <<: expected a map, or a list of maps, to merge in'],
  ],
];

for (const [what, text, expected] of SYNTAX) {
  test(`syntax: ${what}`, (t) => t.deepEqual(problems(text), [...expected]));
}

test('an alias bomb is refused at once', (t) => {
  const rows = Array.from(
    { length: 20 },
    (_, at) =>
      `a${at}: &a${at} [${Array.from({ length: 9 }, () => (at === 0 ? 'x' : `*a${at - 1}`)).join(',')}]`,
  );
  const found = problems(rows.join('\n'));
  t.true(found.some((problem) => problem.includes('alias bomb')));
});

test('nesting without end is refused', (t) => {
  t.regex(
    problems(`variables: ${'['.repeat(150)}${']'.repeat(150)}`).join(),
    /nested deeper than 100 levels/,
  );
  t.is(parseSchedule('['.repeat(200_000), 'task.yml').schedule, undefined);
});

test('aliases and merge keys mean what YAML says', (t) => {
  const text =
    'events:\n  a: &event\n    task: t\n    priority: 10\n  b:\n    <<: *event\n    priority: 20\n  c: *event\ntasks: {t: {operations: [echo: x]}}\n';
  const { schedule, problems: found } = parseSchedule(text, '/x/task.yml');
  t.deepEqual(found, []);
  t.deepEqual(
    Object.values(schedule?.events ?? {}).map(({ name, priority, steps }) => [
      name,
      priority,
      steps[0]?.task,
    ]),
    [
      ['a', 10, 't'],
      ['b', 20, 't'],
      ['c', 10, 't'],
    ],
  );
});

test('a BOM, Windows line ends and a file over 2 MB are read', (t) => {
  t.deepEqual(problems(`\uFEFF${step('')}`), []);
  t.deepEqual(problems(`\uFEFFevent:\n${step('')}`).slice(0, 1), [
    '1:1 unknown key "event" | did you mean "events"?',
  ]);
  t.deepEqual(problems(step('').replaceAll('\n', '\r\n')), []);
  const tasks = Array.from(
    { length: 8000 },
    (_, at) =>
      `  task_${at}:\n    description: ${'some words to make the file longer '.repeat(8)}\n    operations: [echo: hello]\n`,
  ).join('');
  const text = `events:\n  e:\n    task: task_7999\ntasks:\n${tasks}`;
  t.true(text.length > 2_000_000);
  const { schedule, problems: found } = parseSchedule(text, '/x/task.yml');
  t.deepEqual(found, []);
  t.is(Object.keys(schedule?.tasks ?? {}).length, 8000);
  const steps = Array.from({ length: 5000 }, (_, at) => `      - task: tosk_${at}\n`).join('');
  t.is(problems(text.replace('    task: task_7999\n', `    ordered_tasks:\n${steps}`)).length, 501);
});

const KEYS: readonly (readonly [what: string, text: string, expected: readonly string[]])[] = [
  [
    'a misspelt key of a step',
    step('skipable: true\nservise: a'),
    [
      '5:9 unknown key "skipable" | did you mean "skippable"?',
      '6:9 unknown key "servise" | did you mean "service"?',
    ],
  ],
  [
    'a key near nothing',
    step('colour: red').replace('events:', 'xyz: 1\nevents:').replace('        colour: red', ''),
    ['1:1 unknown key "xyz" | known here: variables, environments, default, events, tasks, schedules'],
  ],
  [
    'a wrong type',
    step('serial: []\nskippable: 3\nstart_timeout: soon\ntimeout: 0\nquorum: 101%\nretries: -1'),
    [
      '5:17 serial: expected a list of batch sizes, found an empty list',
      '6:20 skippable: expected true or false, found 3',
      '7:24 start_timeout: expected a duration: seconds, or a text such as "90s", "5m", "1h30m" (at most 24 days), found "soon"',
      '8:18 timeout: expected a duration longer than 0, found 0 | leave the key out for the default',
      '9:17 quorum: expected at most 100 %, found "101%"',
      '10:18 retries: expected a whole number, 0 to 1000, found -1',
    ],
  ],
  [
    'a step without a task',
    'events:\n  a:\n    ordered_tasks:\n      - service: x\n      - {}\n',
    ['4:9 expected the key "task", found service', '5:9 expected the key "task", found nothing'],
  ],
  [
    'a step that is no map',
    'events:\n  a:\n    ordered_tasks: [t]\n',
    ['3:21 ordered_tasks[0]: expected a map with the key "task", found "t"'],
  ],
  [
    'a map where a list is wanted',
    'events:\n  a:\n    ordered_tasks:\n      task: t\n',
    ['4:7 ordered_tasks: expected a list of steps, found a map'],
  ],
  [
    'a value that is near',
    step('on_lost: retyr\norder: random'),
    [
      '5:18 on_lost: expected "fail" or "retry" or "hold", found "retyr" | did you mean "retry"?',
      '6:16 order: expected "sorted" or "reverse_sorted" or "shuffle", found "random"',
    ],
  ],
  [
    'an unknown operation',
    operation('- exceute:\n    script: true'),
    ['7:9 unknown key "exceute" | did you mean "execute"?'],
  ],
  [
    'two operations in one',
    operation('- echo: a\n  service: {name: a, action: start}'),
    [
      '7:9 operations[0]: expected one operation, found service and echo | put each operation into an entry of its own, with its own "-"',
    ],
  ],
  ['an operation without a value', operation('- service:'), ['7:17 service: expected a map, found nothing']],
  [
    'a misspelt key of an operation',
    operation('- execute:\n    scirpt: true'),
    ['8:11 unknown key "scirpt" | did you mean "script"?'],
  ],
  [
    'a missing key of an operation',
    operation('- service:\n    name: a'),
    ['8:11 expected the key "action", found name'],
  ],
  [
    'names',
    'events:\n  a/b:\n    task: t\n  "..":\n    task: t\n  "":\n    task: t\ntasks:\n  t: {operations: [echo: x]}\n',
    [
      '2:3 the name of an event has a slash: found "a/b"',
      '4:3 the name of an event is "..": found ".."',
      '6:3 the name of an event is empty: found ""',
    ],
  ],
  [
    'names of services and tags',
    step(`service: a/b\ntag: "x\\n"`),
    [
      '5:18 service: the name of a service has a slash: found "a/b"',
      '6:14 tag: the name of a tag has a control character: found "x\\n"',
    ],
  ],
  [
    'a name that is too long',
    step(`service: ${'é'.repeat(65)}`),
    [`5:18 service: the name of a service is longer than 128 bytes: found "${'é'.repeat(56)}…"`],
  ],
  [
    'a text where a list or a map stands',
    `variables:\n  a: [1]\n  b: {c: d}\n${step('')}`,
    ['2:6 a: expected a text, found a list', '3:6 b: expected a text, found a map'],
  ],
];

for (const [what, text, expected] of KEYS) {
  test(`keys: ${what}`, (t) => t.deepEqual(problems(text), [...expected]));
}

test('yes and no are truth values, as they were for the original', (t) => {
  const { schedule } = parseSchedule(step('skippable: no\napprove: on'), '/x/task.yml');
  t.like(schedule?.events.deploy?.steps[0], { skippable: false, approve: true });
});

test('the folder is the pattern, and must be fit to be one', (t) => {
  t.deepEqual(problems(step(''), '/task.yml'), [
    '1:1 the name of the folder, which is the pattern, is empty: found ""',
  ]);
});

test('a file of garbage does not bury its first problems', (t) => {
  const found = problems(Array.from({ length: 2000 }, (_, at) => `key_${at}: x`).join('\n'));
  t.is(found.length, 501);
  t.regex(found.at(-1) ?? '', /and 1501 problems more/);
});

test('tasks and events are found by their own names only', (t) => {
  const { schedule } = parseSchedule(step(''), '/x/task.yml');
  t.is(schedule?.tasks.toString, undefined);
});
