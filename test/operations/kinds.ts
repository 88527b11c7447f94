import { mkdirSync, readFileSync, existsSync, writeFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { runTask } from '../../src/operations/run-task.js';
import type { TaskConsul } from '../../src/operations/types.js';
import { root } from '../support/project.js';
import { bench, type BenchOptions, script, task, TIMEOUT } from './_task.js';

const PROGRAMS = join(root, 'test/fixtures/programs');

/** Consul's store in memory: what the operations do with a real one is tested with the handlers. */
function memory(
  store: Map<string, string> = new Map(),
): TaskConsul & { store: Map<string, string>; fired: unknown[] } {
  const fired: unknown[] = [];
  return {
    store,
    fired,
    get: async (key) => store.get(key) ?? null,
    list: async (prefix) =>
      [...store]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => ({ key, value }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
    put: async (key, value) => void store.set(key, value),
    delete: async (key) => void store.delete(key),
    fire: async (...event) => `id-${fired.push(event)}`,
    passing: async () => ({ passing: 0, all: 0 }),
  };
}

/** The recording programs stand first on PATH and write to a folder of their own. */
function recorded(t: ExecutionContext, options: BenchOptions = {}) {
  const one = bench(t, {
    ...options,
    schedule: {
      environments: { PATH: `${PROGRAMS}:$PATH`, RECORD: '{{record}}' },
      ...options.schedule,
    },
    config: { token: 'the-token', ...options.config, variables: {} },
  });
  const record = join(one.folder, '..', 'record');
  mkdirSync(record);
  (one.context.config.variables as Record<string, string>).record = record;
  const read = (name: string) => readFileSync(join(record, name), 'utf8');
  return {
    ...one,
    record,
    read,
    calls: () => (existsSync(join(record, 'calls')) ? read('calls').trim().split('\n') : []),
  };
}

test('service: systemd and init', async (t) => {
  const operation = { kind: 'service', name: '{{db}}-9.4', action: 'restart' } as const;
  const schedule = { variables: { db: 'postgresql' } };
  const systemd = recorded(t, {
    schedule: { ...schedule, environments: { PATH: PROGRAMS + ':$PATH', RECORD: '{{record}}' } },
  });
  t.like(await runTask(task(operation), systemd.context, TIMEOUT), { status: 'success' });
  t.deepEqual(systemd.calls(), ['systemctl <restart> <postgresql-9.4>']);
  const init = recorded(t, { config: { serviceManager: 'init' } });
  t.like(await runTask(task({ ...operation, name: 'nginx' }), init.context, TIMEOUT), { status: 'success' });
  t.deepEqual(init.calls(), ['service <nginx> <restart>']);
});

test('service: what would be taken for an option is refused', async (t) => {
  const one = recorded(t);
  const run = async (name: string, action: string) =>
    (await runTask(task({ kind: 'service', name, action, retries: 3 }), one.context, TIMEOUT)).reason;
  t.is(
    await run('--force', 'stop'),
    'service at task.yml:1 was not run: its name "--force" begins with "-" and would be taken for an option',
  );
  t.is(
    await run('nginx', '-H'),
    'service at task.yml:1 was not run: its action "-H" begins with "-" and would be taken for an option',
  );
  t.is(await run('', 'stop'), 'service at task.yml:1 was not run: its name "" is empty');
  t.is(
    await run('a\nb', 'stop'),
    'service at task.yml:1 was not run: its name "a\\nb" has control characters',
  );
  t.deepEqual(one.calls(), []);
});

test('execute: file and arguments, with variables, in the folder of the schedule file', async (t) => {
  const one = recorded(t, { config: { role: 'web' } });
  symlinkSync(join(PROGRAMS, 'record'), join(one.folder, 'prepare.sh'));
  const outcome = await runTask(
    task({
      kind: 'execute',
      file: '{{role}}/../prepare.sh',
      arguments: ['a b', '{{role}}', '$HOME', '{{unknown}}'],
      output: true,
    }),
    one.context,
    TIMEOUT,
  );
  t.like(outcome, { status: 'success' });
  t.deepEqual(one.calls(), ['prepare.sh <a b> <web> <$HOME> <{{unknown}}>']);
  t.is(one.read('prepare.sh.pwd').trim(), one.folder);
  t.false(one.read('prepare.sh.env').includes('the-token'));
});

test('execute: variables and configuration values in a script; the token is hidden in the log', async (t) => {
  const one = bench(t, {
    config: { token: 'the-token', role: 'web', variables: { user: 'from user', both: 'user' } },
    schedule: { variables: { both: 'file', nested: '{{both}}!' } },
    secrets: ['the-token'],
  });
  await runTask(
    task(script("echo '{{user}} {{nested}} {{config.role}} {{config.token}}'")),
    one.context,
    TIMEOUT,
  );
  t.true(one.lines().includes('from user file! web [hidden]'));
});

test('consul-kvs: put, get into a variable for what follows, delete', async (t) => {
  const consul = memory(new Map([['app/version', '1.2']]));
  const one = bench(t, { consul, schedule: { environments: { VERSION: '{{version}}' } } });
  const outcome = await runTask(
    task(
      { kind: 'consul-kvs', action: 'get', key: 'app/version', name: 'version' },
      {
        kind: 'consul-kvs',
        action: 'put',
        key: 'app/{{version}}/lock',
        value: 'held by {{role}}{{version}}',
      },
      script('echo "{{version}} and $VERSION"'),
      { kind: 'consul-kvs', action: 'delete', key: 'app/version' },
    ),
    one.context,
    TIMEOUT,
  );
  t.like(outcome, { status: 'success' });
  t.deepEqual([...consul.store], [['app/1.2/lock', 'held by 1.2']]);
  t.true(one.lines().includes('1.2 and 1.2'));
});

test('consul-kvs: a missing key fails, its value stays out of the log', async (t) => {
  const one = bench(t, { consul: memory(new Map([['k', 'pass-word']])) });
  const get = (key: string) => ({ kind: 'consul-kvs', action: 'get', key, name: 'v' }) as const;
  t.like(await runTask(task(get('k'), get('absent')), one.context, TIMEOUT), {
    status: 'error',
    reason: 'consul-kvs at task.yml:2 found no key absent',
  });
  t.notRegex(one.log.text(), /pass-word/);
});

test('consul-kvs: what was read is forgotten with the attempt', async (t) => {
  const consul = memory(new Map([['k', 'v']]));
  const one = bench(t, { consul });
  const operation = script('echo "got {{late}}"; false');
  await runTask(task(operation, { kind: 'consul-kvs', action: 'get', key: 'k', name: 'late' }), one.context, {
    ...TIMEOUT,
    retries: 1,
    retryDelay: 1,
  });
  t.is(one.lines().filter((line) => line === 'got {{late}}').length, 2);
});

test('consul-event: the payload is the token', async (t) => {
  const consul = memory();
  const one = bench(t, { consul, config: { token: 'the-token', role: 'db' } });
  const filter = { service: '{{role}}', tag: 'primary' };
  await runTask(task({ kind: 'consul-event', name: '{{role}}-restore', filter }), one.context, TIMEOUT);
  await runTask(task({ kind: 'consul-event', name: 'x', filter: {} }), one.context, TIMEOUT);
  t.deepEqual(consul.fired, [
    ['db-restore', 'the-token', { service: 'db', tag: 'primary' }],
    ['x', 'the-token', {}],
  ]);
});

test('chef: run list, attributes, configuration, environment and arguments', async (t) => {
  const consul = memory(
    new Map([
      ['attributes/a', '{"db": {"port": 1, "host": "a"}, "list": [1, 2], "run_list": ["x"]}'],
      ['attributes/b', '{"db": {"port": 2}, "list": [3], "__proto__": {"p": 1}}'],
      ['attributes/', ''],
      ['other', '{"other": true}'],
    ]),
  );
  const one = recorded(t, { consul, config: { role: 'web, ap,missing' } });
  const { folder } = one;
  mkdirSync(join(folder, 'roles'));
  for (const name of ['all_deploy', 'web_deploy', 'ap_deploy'])
    writeFileSync(join(folder, 'roles', `${name}.json`), '{}');
  const outcome = await runTask(
    task({
      kind: 'chef',
      runList: ['role[{{role}}_deploy]', 'recipe[{{ role }}::x]', 'role[absent]', 'recipe[base]'],
      attributeKeys: ['attributes/', 'other', 'none'],
      attributes: { db: { host: '{{config.host}}' }, deep: ['{{config.port}}', { n: 1 }] },
      configurations: {
        log_level: ':debug',
        ssl_verify_mode: ":verify_none; system('x')",
        node_name: "o'brien\\",
        interval: 5,
        verbose_logging: true,
        http_proxy: null,
        environment: 'a\n#{1}',
        chef_guid: 'plain #{1}',
        options: { a: ['x', ':y'] },
      },
    }),
    one.context,
    TIMEOUT,
  );
  t.like(outcome, { status: 'success' });
  const [call = ''] = one.calls();
  t.regex(call, /^chef-solo <-c> <\/.*solo\.rb> <-j> <\/.*node\.json>$/);
  t.false(call.includes('the-token'));
  t.is(one.read('chef-solo.pwd').trim(), folder);
  const env = one.read('chef-solo.env').split('\n');
  for (const line of ['HOME=/root', 'CONSUL_SECRET_KEY=the-token', 'ROLE=web, ap,missing'])
    t.true(env.includes(line), line);
  t.deepEqual(
    JSON.parse(one.read('chef-solo.json')),
    JSON.parse(`{
      "db": {"port": 2, "host": "127.0.0.1"}, "list": [3], "__proto__": {"p": 1}, "other": true, "deep": ["8500", {"n": 1}],
      "run_list": ["role[all_deploy]", "role[web_deploy]", "role[ap_deploy]",
        "recipe[all::x]", "recipe[web::x]", "recipe[ap::x]", "recipe[missing::x]", "recipe[base]"]}`),
  );
  t.deepEqual(one.read('chef-solo.conf').trim().split('\n'), [
    `ssl_verify_mode :"verify_none; system('x')"`,
    `role_path ['${folder}/roles']`,
    'log_level :debug',
    `log_location '${folder}/logs/pattern_chef-solo.log'`,
    `file_cache_path '${folder}/tmp/cache'`,
    `cookbook_path ['${folder}/cookbooks', '${folder}/site-cookbooks']`,
    String.raw`node_name 'o\'brien\\'`,
    'interval 5',
    'verbose_logging true',
    'http_proxy nil',
    String.raw`environment "a\n\#{1}"`,
    "chef_guid 'plain #{1}'",
    "options ({'a' => ['x', :y]})",
  ]);
  const [, settings = ''] = /<-c> <([^>]+)>/.exec(call) ?? [];
  t.false(existsSync(settings));
});

const chef = {
  kind: 'chef',
  runList: ['recipe[x]'],
  configurations: {},
  attributes: {},
  attributeKeys: [],
} as const;

test('chef: berks vendor comes first where there is a Berksfile, and its exit 139 is passed over', async (t) => {
  for (const [code, status] of [
    [0, 'success'],
    [139, 'success'],
    [1, 'error'],
  ] as const) {
    const one = recorded(t);
    writeFileSync(join(one.folder, 'Berksfile'), '');
    writeFileSync(join(one.record, 'berks.exit'), `${code}`);
    const outcome = await runTask(task(chef), one.context, TIMEOUT);
    t.is(outcome.status, status);
    t.is(one.calls()[0], 'berks <vendor> <cookbooks>');
    t.is(one.calls().length, status === 'success' ? 2 : 1);
    t.regex(one.read('berks.env'), /^HOME=\/root$/m);
  }
});

test('chef: its failure is the reason, and debug keeps the files', async (t) => {
  const one = recorded(t, { config: { debug: true } });
  writeFileSync(join(one.record, 'chef-solo.exit'), '42');
  t.like(await runTask(task(chef), one.context, TIMEOUT), {
    status: 'error',
    reason: 'chef at task.yml:1 exited with 42',
    exitCode: 42,
  });
  const [, settings = ''] = /<-c> <([^>]+)>/.exec(one.calls()[0] ?? '') ?? [];
  t.true(existsSync(settings));
  t.true(one.log.text().includes(settings));
});

test('chef: broken attributes and settings are named, without their values', async (t) => {
  const consul = memory(
    new Map([
      ['broken', '{"password": "s3cret" oops}'],
      ['list', '[1]'],
    ]),
  );
  const one = recorded(t, { consul });
  const run = async (more: object) =>
    (await runTask(task({ ...chef, ...more }), one.context, TIMEOUT)).reason ?? '';
  t.regex(
    await run({ attributeKeys: ['broken'] }),
    /^chef at task.yml:1 cannot use key broken: it is no JSON \(at position \d+\)$/,
  );
  t.regex(await run({ attributeKeys: ['list'] }), /cannot use key list: its JSON is no map of attributes$/);
  t.regex(
    await run({ configurations: { 'a b': 1 } }),
    /"a b" under configurations is no name of a chef setting$/,
  );
  t.deepEqual(one.calls(), []);
});

test('chef: without Consul there are only its own attributes', async (t) => {
  const one = recorded(t);
  t.like(await runTask(task({ ...chef, attributeKeys: ['k'], attributes: { a: 1 } }), one.context, TIMEOUT), {
    status: 'success',
  });
  t.deepEqual(JSON.parse(one.read('chef-solo.json')), { a: 1, run_list: ['recipe[x]'] });
  t.true(one.lines().some((line) => line.startsWith('without Consul')));
});
