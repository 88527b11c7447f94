import test from 'ava';
import type { Config } from '../../src/config.js';
import {
  configValuesOf,
  environmentOf,
  substitute,
  unknownNames,
  variablesOf,
} from '../../src/schedule/variables.js';

const CONFIG: Config = {
  host: 'localhost',
  port: 8500,
  protocol: 'http',
  token: 'secret',
  insecureSkipVerify: false,
  serviceManager: 'systemd',
  files: ['/a/task.yml'],
  role: 'web,db',
  skippable: true,
  debug: false,
  prefix: 'metronome/',
  stateDir: '/var/lib/metronome',
  logFormat: 'text',
  variables: { user: 'u', both: 'config', role: 'fake' },
};
const VARIABLES = {
  name: 'x',
  outer: '{{inner}}/{{name}}',
  inner: 'y',
  key: 'na',
  loop: '{{pool}}',
  pool: '{{loop}}',
  grow: '{{grow}}{{grow}}',
  empty: '',
};

for (const [text, expected] of [
  ['nothing', 'nothing'],
  ['{{name}} {{ name }} {{\tname}}', 'x x x'],
  ['{{outer}}', 'y/x'],
  ['{{{{key}}me}}', 'x'],
  ['{{unknown}} {{config.unknown}} {{}} {{ }}', '{{unknown}} {{config.unknown}} {{}} {{ }}'],
  ['{{config.host}}:{{config.port}} {{config.service-manager}}', 'localhost:8500 systemd'],
  ['{{config.token}}', 'secret'],
  ['{{constructor}}{{__proto__}}', '{{constructor}}{{__proto__}}'],
  ['a{{empty}}b', 'ab'],
  ['{name} {{name} {name}}', '{name} {{name} {name}}'],
  ['$name ${name}', '$name ${name}'],
] as const) {
  test(`substitute ${JSON.stringify(text)}`, (t) =>
    t.is(substitute(text, VARIABLES, configValuesOf(CONFIG).values), expected));
}

test('a value with $& in it is put in as it is', (t) =>
  t.is(substitute('{{a}}', { a: '$& $1 $$' }, {}), '$& $1 $$'));

test('a cycle ends, and what doubles stays small', (t) => {
  t.regex(substitute('{{loop}}', VARIABLES, {}), /^\{\{(loop|pool)\}\}$/);
  t.true(substitute('{{grow}}', VARIABLES, {}).length <= 16 * 1024 * 1024);
});

test('names that nobody knows', (t) => {
  t.deepEqual(
    unknownNames(
      '{{a}} {{name}} {{ a }} {{config.x}} {{config.host}}',
      VARIABLES,
      configValuesOf(CONFIG).values,
    ),
    ['a', 'config.x'],
  );
});

test('the token is among the secrets', (t) => {
  t.deepEqual(configValuesOf(CONFIG).secrets, ['secret']);
  const { token: _, ...open } = CONFIG;
  t.deepEqual(configValuesOf(open).secrets, []);
  t.is(configValuesOf(open).values.token, '');
});

test('the file stands above user variables, what was read above both, and role above all', (t) => {
  const schedule = { variables: { both: 'file', own: 'o', role: 'fake' } };
  t.deepEqual({ ...variablesOf(schedule, CONFIG) }, { user: 'u', both: 'file', own: 'o', role: 'web,db' });
  t.deepEqual(
    { ...variablesOf(schedule, CONFIG, { own: 'e', role: 'fake' }) },
    { user: 'u', both: 'file', own: 'e', role: 'web,db' },
  );
});

test('the environment of the tasks', (t) => {
  const schedule = {
    environments: {
      PATH: '/opt/bin:$PATH',
      HOME: '${HOME}/x',
      A: '{{name}}',
      NONE: '$NONE.',
      B: '$5 $',
      C: '{{ref}}',
      D: '$TRAP',
    },
  };
  const env = { PATH: '/bin', HOME: '/root', TRAP: '{{name}} $HOME' };
  t.deepEqual(
    { ...environmentOf(schedule, env, { name: 'x', ref: '$HOME' }) },
    {
      PATH: '/opt/bin:/bin',
      HOME: '/root/x',
      A: 'x',
      NONE: '.',
      B: '$5 $',
      C: '/root',
      D: '{{name}} $HOME',
    },
  );
});
