import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import test from 'ava';
import { type ConfigInput, GLOBAL_FLAGS, loadConfig, normalizeArgv } from '../src/config.js';

const NOWHERE = {
  cwd: '/work',
  home: '/home/op',
  root: false,
  systemd: true,
  env: {},
  flags: {},
} satisfies ConfigInput;

function load(input: Partial<ConfigInput> & { disk?: Readonly<Record<string, string>> }) {
  return loadConfig({ ...NOWHERE, readFile: async (path) => input.disk?.[path], ...input });
}

const problemsOf = async (input: Parameters<typeof load>[0]) =>
  (await load(input)).problems.map(
    ({ place, message, hint }) =>
      `${place.file}:${place.line}:${place.column}: ${message}${hint === undefined ? '' : ` | ${hint}`}`,
  );

const CONFIG = '/etc/metronome/config.yml';

test('without anything the defaults stand', async (t) => {
  const { config, sources, problems } = await load({});
  t.deepEqual(problems, []);
  t.deepEqual(config, {
    host: '127.0.0.1',
    port: 8500,
    protocol: 'http',
    insecureSkipVerify: false,
    serviceManager: 'systemd',
    files: [],
    role: '',
    skippable: true,
    debug: false,
    prefix: 'metronome/',
    stateDir: '/home/op/.local/state/metronome',
    logFormat: 'text',
    tickInterval: 20_000,
    stopTimeout: 90_000,
    variables: {},
  });
  t.is(sources.host, 'default');
  t.is((await load({ root: true, systemd: false })).config.stateDir, '/var/lib/metronome');
  t.is((await load({ systemd: false })).config.serviceManager, 'init');
  t.is((await load({ env: { XDG_STATE_HOME: '/state' } })).config.stateDir, '/state/metronome');
  t.is((await load({ env: { XDG_STATE_HOME: 'state' } })).config.stateDir, '/home/op/.local/state/metronome');
});

test("the original's file is read, and each value knows where it came from", async (t) => {
  const text = [
    'host: localhost',
    'port: 8501',
    "token: 'abc=='",
    'insecure-skip-verify: true',
    'files: /opt/a/task.yml,b/task.yml',
    'role: lb',
  ].join('\n');
  const { config, sources, problems } = await load({ disk: { [CONFIG]: text } });
  t.deepEqual(problems, []);
  t.like(config, {
    host: 'localhost',
    port: 8501,
    protocol: 'https',
    token: 'abc==',
    insecureSkipVerify: true,
    files: ['/opt/a/task.yml', '/etc/metronome/b/task.yml'],
    role: 'lb',
  });
  t.is(sources.token, `file ${CONFIG}:3`);
  t.is(sources.protocol, 'default');
});

test('flag before environment before file', async (t) => {
  const disk = { [CONFIG]: 'host: file\nport: 1\nrole: file\nfiles: [x.yml, y.yml]' };
  const env = {
    CONSUL_HTTP_ADDR: 'https://environment:2/',
    CONSUL_HTTP_TOKEN: 't',
    CONSUL_HTTP_SSL_VERIFY: 'false',
    CONSUL_CACERT: 'ca.pem',
  };
  const { config, sources } = await load({ disk, env, flags: { host: 'flag', files: 'z.yml', debug: true } });
  t.like(config, { host: 'flag', port: 2, protocol: 'https', role: 'file', token: 't', debug: true });
  t.deepEqual(config.files, ['/work/z.yml']);
  t.is(config.caCert, '/work/ca.pem');
  t.true(config.insecureSkipVerify);
  t.like(sources, { host: 'flag --host', port: 'environment CONSUL_HTTP_ADDR', role: `file ${CONFIG}:3` });
});

for (const [address, expected] of [
  ['10.0.0.1:8500', { host: '10.0.0.1', port: 8500, protocol: 'http' }],
  ['consul.example.com', { host: 'consul.example.com', port: 8500, protocol: 'http' }],
  ['consul.example.com:8501', { host: 'consul.example.com', port: 8501, protocol: 'https' }],
  ['https://consul.example.com', { host: 'consul.example.com', port: 443, protocol: 'https' }],
  ['http://[::1]:8500', { host: '::1', port: 8500, protocol: 'http' }],
] as const) {
  test(`CONSUL_HTTP_ADDR=${address}`, async (t) => {
    const { config, problems } = await load({ env: { CONSUL_HTTP_ADDR: address } });
    t.deepEqual(problems, []);
    t.like(config, expected);
  });
}

test('CONSUL_HTTP_SSL makes https, and a token file stands above a token', async (t) => {
  const env = {
    CONSUL_HTTP_ADDR: 'http://h:8500',
    CONSUL_HTTP_SSL: 'true',
    CONSUL_HTTP_TOKEN: 'a',
    CONSUL_HTTP_TOKEN_FILE: 'token',
  };
  const { config, sources } = await load({ env, disk: { '/work/token': 'b\n' } });
  t.like(config, { protocol: 'https', token: 'b' });
  t.is(sources.token, 'environment CONSUL_HTTP_TOKEN_FILE');
});

test('every problem is named at once, with its place', async (t) => {
  const text = [
    'hots: a',
    'port: 70000',
    'skippable: perhaps',
    'host: [a]',
    'port: 1',
    'protocol: https:',
    'files:',
    '  - a',
    '  - {b: c}',
  ].join('\n');
  t.deepEqual(await problemsOf({ disk: { [CONFIG]: text } }), [
    `${CONFIG}:6:11: not YAML: Nested mappings are not allowed in compact mappings`,
  ]);
  t.deepEqual(await problemsOf({ disk: { [CONFIG]: text.replace('https:', 'ftp') } }), [
    `${CONFIG}:1:1: unknown key "hots" | did you mean "host"?`,
    `${CONFIG}:4:7: host: expected a text, found a list`,
    `${CONFIG}:5:1: the key "port" stands twice; it stood on line 2 already`,
    `${CONFIG}:8:3: files: expected a text or a list of texts, found a list`,
    `${CONFIG}:2:7: port: expected a port, 1 to 65535, found "70000"`,
    `${CONFIG}:3:12: skippable: expected true or false, found "perhaps"`,
    `${CONFIG}:6:11: protocol: expected "http" or "https", found "ftp"`,
  ]);
  t.deepEqual(await problemsOf({ flags: { port: 'x', config: 'none.yml', var: ['=a'], prefix: '/a' } }), [
    'command line:0:0: --port: expected a port, 1 to 65535, found "x"',
    'command line:0:0: --prefix: expected a path below the root of the store, such as "metronome/", without leading or double slash, found "/a"',
    'command line:0:0: --config: there is no file /work/none.yml',
    'command line:0:0: --var: expected NAME=VALUE, found something without a name and "="',
  ]);
  const env = {
    CONSUL_HTTP_ADDR: 'unix:///run/consul.sock',
    CONSUL_HTTP_SSL: 'maybe',
    CONSUL_HTTP_TOKEN_FILE: '/none',
  };
  t.deepEqual(await problemsOf({ env }), [
    'environment:0:0: CONSUL_HTTP_TOKEN_FILE: there is no file /none',
    'environment:0:0: CONSUL_HTTP_SSL: expected true or false, found "maybe"',
    'environment:0:0: CONSUL_HTTP_ADDR: expected host:port or an http(s) address, found "unix:///run/consul.sock": Unix sockets are not supported | let the Consul agent listen on 127.0.0.1 too (addresses.http), and set CONSUL_HTTP_ADDR to 127.0.0.1:8500',
  ]);
});

test('a secret never stands in a message', async (t) => {
  const [problem] = await problemsOf({ flags: { token: 'se\ncret' } });
  t.is(
    problem,
    'command line:0:0: --token: expected a text without control characters, found something else',
  );
});

test('a file that is empty, a map of nothing, or no map', async (t) => {
  t.deepEqual(await problemsOf({ disk: { [CONFIG]: '' } }), []);
  t.deepEqual(await problemsOf({ disk: { [CONFIG]: '\uFEFF# nothing\n' } }), []);
  t.deepEqual(await problemsOf({ disk: { [CONFIG]: 'token:\nhost: ~\n' } }), []);
  t.deepEqual(await problemsOf({ disk: { [CONFIG]: '- a' } }), [
    `${CONFIG}:1:1: expected "key: value" lines`,
  ]);
});

test('variables: the file, then --var above it; numbers stay as they are written', async (t) => {
  const disk = { '/etc/metronome/variables.yml': 'version: 1.10\nport: 0080\nempty:\non: yes\n' };
  const { config, sources } = await load({ disk, flags: { var: ['port=81', 'expression=a=b'] } });
  t.deepEqual(config.variables, { version: '1.10', port: '81', empty: '', on: 'yes', expression: 'a=b' });
  t.is(sources['var.version'], 'file /etc/metronome/variables.yml:1');
  t.is(sources['var.port'], 'flag --var');
  t.deepEqual(await problemsOf({ disk: { '/etc/metronome/variables.yml': 'a: {b: c}' } }), [
    '/etc/metronome/variables.yml:1:4: a: expected a text, found a map',
  ]);
  const named = await load({ flags: { variables: 'v.yml' }, disk: { '/work/v.yml': 'a: b' } });
  t.deepEqual(named.config.variables, { a: 'b' });
});

test('a file that cannot be read is a problem of its own', async (t) => {
  const problems = await problemsOf({
    readFile: (path) =>
      path === CONFIG ? Promise.reject(new Error('EACCES: permission denied')) : Promise.resolve(undefined),
  });
  t.deepEqual(problems, [`${CONFIG}:0:0: cannot be read: EACCES: permission denied`]);
});

for (const [argv, expected] of [
  [
    ['-host', 'x', 'push'],
    ['--host', 'x', 'push'],
  ],
  [
    ['-host=x', '--port', '1'],
    ['--host=x', '--port', '1'],
  ],
  [
    ['-debug', '-skippable=false'],
    ['--debug', '--no-skippable'],
  ],
  [
    ['--debug=TRUE', '--debug=perhaps'],
    ['--debug', '--debug=perhaps'],
  ],
  [
    ['-role', '-debug', '-h', '-v'],
    ['--role', '-debug', '-h', '-v'],
  ],
  [
    ['fire', '--', '-host', 'x'],
    ['fire', '--', '-host', 'x'],
  ],
  [
    ['logs', '-f', '--step', '-1'],
    ['logs', '-f', '--step', '-1'],
  ],
  [
    ['-nonsense', '-5'],
    ['--nonsense', '-5'],
  ],
  [
    ['--data', '-host=x'],
    ['--data', '-host=x'],
  ],
  [
    ['-no-proxy', 'a'],
    ['--no-proxy', 'a'],
  ],
] as const) {
  test(`normalizeArgv ${argv.join(' ')}`, (t) => {
    t.deepEqual(normalizeArgv(argv, [{ name: 'data', kind: 'list' }]), [...expected]);
  });
}

test('the table of flags serves parseArgs, and what it gives serves loadConfig', async (t) => {
  const options = Object.fromEntries(
    GLOBAL_FLAGS.map(({ name, kind }) => [
      name,
      { type: kind === 'boolean' ? ('boolean' as const) : ('string' as const), multiple: kind === 'list' },
    ]),
  );
  const args = normalizeArgv([
    '-host',
    'h',
    '-skippable=false',
    '-var',
    'a=b',
    '-var',
    'c=d',
    '-no-proxy',
    'x,y',
    '-port=1',
  ]);
  const { values } = parseArgs({ args, options, allowNegative: true });
  const { config, problems } = await load({ flags: values as ConfigInput['flags'] });
  t.deepEqual(problems, []);
  t.like(config, { host: 'h', port: 1, skippable: false, noProxy: 'x,y', variables: { a: 'b', c: 'd' } });
});

test("the original's own config.yml is read", async (t) => {
  const file = join(import.meta.dirname, '../../../shared/original/config.yml');
  if (!existsSync(file)) return t.pass(`${file} is not there: nothing to read`);
  const { config, problems } = await load({ disk: { [CONFIG]: readFileSync(file, 'utf8') } });
  t.deepEqual(problems, []);
  t.like(config, { host: 'localhost', port: 8501, protocol: 'https', insecureSkipVerify: true, role: 'lb' });
  t.is(config.files.length, 3);
  t.truthy(config.token);
});

for (const [text, expected] of [
  ['5', 5000],
  ['20s', 20_000],
  ['1m', 60_000],
  ['15m', 900_000],
  ['1h', 3_600_000],
  ['7s', undefined],
  ['90s', undefined],
  ['0', undefined],
  ['2h', undefined],
  ['soon', undefined],
] as const)
  test(`tick-interval: ${text}`, async (t) => {
    const { config, problems } = await load({ env: { METRONOME_TICK_INTERVAL: text } });
    if (expected === undefined)
      t.regex(problems[0]?.message ?? '', /^METRONOME_TICK_INTERVAL: expected .*found/);
    else t.is(config.tickInterval, expected);
  });
