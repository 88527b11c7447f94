/** install, remove, start, stop, doctor and config, in a root of their own and against real agents. */
import test, { type ExecutionContext } from 'ava';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install, remove, type Site } from '../../src/drivers/install.js';
import { plan, type Plan, settingsOf } from '../../src/drivers/plan.js';
import { consulApi, freshPrefix, sharedCluster, startCluster } from '../support/cluster.js';
import { testConfig } from '../support/config.js';
import { metronome, tempFolder, writeFiles } from '../support/metronome.js';

/** Every file below a folder, path -> text. */
function tree(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(folder, name)).isFile())
      .sort()
      .map((name) => [`/${name}`, readFileSync(join(folder, name), 'utf8')]),
  );
}

function machine(t: ExecutionContext) {
  const root = tempFolder(t);
  mkdirSync(join(root, 'etc/consul.d'), { recursive: true });
  const call = (...args: string[]) =>
    metronome(null, [...args, '--root', root, '--state-dir', '/var/lib/metronome'], {
      env: { CONSUL_HTTP_TOKEN: 'very secret' },
    });
  const set = (driver: string, ...more: string[]) =>
    call(
      'install',
      `--driver=${driver}`,
      '--service-manager=systemd',
      '--node=db1',
      '--files=/etc/metronome/web/task.yml',
      ...more,
    );
  return { root, call, install: set };
}

test('install writes what the driver needs, twice is once, another driver replaces it, remove leaves nothing', async (t) => {
  const { root, call, install } = machine(t);
  const dry = await install('watch', '--dry-run');
  t.is(dry.code, 0, dry.stderr);
  t.regex(dry.stdout, /metronome\/inbox\/db1\//);
  t.deepEqual(Object.keys(tree(root)), []);

  const first = await install('watch');
  t.is(first.code, 0, first.stderr);
  const written = tree(root);
  t.deepEqual(Object.keys(written), [
    '/etc/consul.d/metronome-service.json',
    '/etc/consul.d/metronome-watches.json',
    '/etc/metronome/config.yml',
    '/etc/systemd/system/metronome-execute.service',
    '/etc/systemd/system/metronome-tick.service',
    '/etc/systemd/system/metronome-tick.timer',
    '/var/lib/metronome/installed.json',
  ]);
  t.regex(first.stdout, /systemctl enable --now metronome-tick\.timer/);
  t.regex(
    written['/etc/metronome/config.yml'] ?? '',
    /token: "very secret"\nfiles: "\/etc\/metronome\/web\/task\.yml"|files: "\/etc\/metronome\/web\/task\.yml"/,
  );
  t.is(statSync(join(root, 'etc/metronome/config.yml')).mode & 0o777, 0o640);
  const watches = JSON.parse(written['/etc/consul.d/metronome-watches.json'] ?? '') as {
    watches: { type: string; prefix?: string; args: string[] }[];
  };
  t.deepEqual(
    watches.watches.map(({ type, prefix, args }) => [type, prefix, args.join(' ')]),
    [
      ['event', undefined, 'systemctl start --no-block metronome-tick.service'],
      ['keyprefix', 'metronome/inbox/db1/', 'systemctl start --no-block metronome-execute.service'],
    ],
  );
  t.notRegex(first.stdout, /very secret/);

  const second = await install('watch');
  t.is(second.code, 0, second.stderr);
  t.regex(second.stdout, /nothing to change/);
  t.deepEqual(tree(root), written);

  const other = await install('agent');
  t.is(other.code, 0, other.stderr);
  t.regex(other.stdout, /systemctl disable --now metronome-tick\.timer/);
  t.deepEqual(
    Object.keys(tree(root)).filter((path) => /systemd|consul\.d/.test(path)),
    ['/etc/consul.d/metronome-service.json', '/etc/systemd/system/metronome-agent.service'],
  );

  const gone = await call('remove');
  t.is(gone.code, 0, gone.stderr);
  t.deepEqual(Object.keys(tree(root)), []);
  t.deepEqual(readdirSync(join(root, 'var/lib')), []);
  t.deepEqual(readdirSync(join(root, 'etc')).sort(), ['consul.d', 'systemd']);
  t.regex((await call('remove')).stdout, /nothing to remove/);
});

test('what somebody changed is not overwritten and not removed, unless forced; what waits is not lost', async (t) => {
  const { root, call, install } = machine(t);
  t.is((await install('agent')).code, 0);
  const unit = join(root, 'etc/systemd/system/metronome-agent.service');
  writeFileSync(unit, '# mine\n');
  const again = await install('agent');
  t.is(again.code, 1);
  t.regex(again.stderr, /metronome-agent\.service: changed by somebody.*--force/);
  writeFiles(root, { 'var/lib/metronome/spool/x.json': '{}' });
  const waiting = await call('remove');
  t.is(waiting.code, 1);
  t.regex(waiting.stderr, /1 event waits in .*spool.*metronome tick/);
  writeFiles(root, { 'var/lib/metronome/spool/x.json': '' });
  t.is((await call('remove', '--force')).code, 0);
  t.deepEqual(Object.keys(tree(root)), []);
});

test('stop and start: a file of cron or of Consul is put aside and back', async (t) => {
  const { root, call } = machine(t);
  const installed = await call('install', '--driver', 'watch', '--service-manager', 'init', '--node', 'db1');
  t.is(installed.code, 0, installed.stderr);
  const before = tree(root);
  t.true('/etc/cron.d/metronome' in before);
  t.is((await call('stop')).code, 0);
  t.true('/etc/cron.d/metronome.stopped' in tree(root));
  t.false('/etc/cron.d/metronome' in tree(root));
  t.true('/etc/consul.d/metronome-watches.json.stopped' in tree(root));
  t.is((await call('start')).code, 0);
  t.deepEqual(tree(root), before);
  t.is((await call('stop')).code, 0);
  t.is((await call('remove')).code, 0);
  t.deepEqual(Object.keys(tree(root)), []);
});

test('wrong use of install is one line', async (t) => {
  const { install } = machine(t);
  const driver = await install('daemon');
  t.is(driver.code, 2);
  t.regex(driver.stderr, /^metronome: --driver "daemon": expected "agent", "timer", "watch"\n$/);
  const dir = await install('watch', '--consul-dir', 'relative');
  t.is(dir.code, 2);
});

test('paths with blanks, % and $ reach systemd, cron and Consul as they are', (t) => {
  const config = testConfig(sharedCluster().node('n1'), { prefix: 'metronome/', stateDir: '/s' });
  const at = (serviceManager: 'systemd' | 'init') =>
    plan({
      driver: 'timer',
      serviceManager,
      command: ['/opt/no de/100%/node', "/opt/it's/$x/metronome.js"],
      node: 'n1',
      config,
      settings: {},
      consulDir: '/etc/consul.d',
    })
      .files.map(({ text }) => text)
      .join('\n');
  t.true(at('systemd').includes(`ExecStart="/opt/no de/100%%/node" "/opt/it's/$$x/metronome.js" execute`));
  t.true(at('init').includes(`root '/opt/no de/100\\%/node' '/opt/it'\\''s/$x/metronome.js' tick`));
  t.true(at('init').includes(JSON.stringify("/opt/it's/$x/metronome.js")));
  t.deepEqual(
    settingsOf(
      { ...config, role: 'web', tickInterval: 5000 },
      { role: 'flag --role', 'tick-interval': 'environment X', host: 'default' },
    ),
    { role: 'web', 'tick-interval': '5' },
  );
});

test('doctor: each check says what it found, and a fix where something is wrong', async (t) => {
  const cluster = await startCluster({ servers: 1, acl: true });
  t.teardown(() => cluster.close());
  const server = cluster.node('s1');
  const dir = tempFolder(t);
  writeFiles(dir, {
    'web/task.yml':
      'events: {go: {ordered_tasks: [{task: work}]}}\ntasks: {work: {operations: [{echo: hi}]}}\n',
  });
  const doctor = async (token: string | undefined) => {
    const { code, stdout, stderr } = await metronome(
      { name: 's1', host: server.host, port: server.port, token },
      ['doctor', '--json', '--service-manager', 'init'],
      { stateDir: join(dir, 'state'), files: [join(dir, 'web/task.yml')], prefix: 'doctor/' },
    );
    const { checks } = JSON.parse(stdout || stderr) as {
      checks: { name: string; status: string; message: string; fix?: string }[];
    };
    for (const one of checks) t.is(one.status === 'ok', one.fix === undefined, one.name);
    return { code, of: (name: string) => checks.find((one) => one.name === name) };
  };
  const good = await doctor(cluster.token);
  for (const name of [
    'node',
    'schedule files',
    'state folder',
    'Consul',
    'leader',
    'keys',
    'sessions',
    'catalog',
  ])
    t.is(good.of(name)?.status, 'ok', `${name}: ${good.of(name)?.message}`);
  t.is(good.of('service')?.status, 'warning');
  // Nothing stays of it.
  const api = consulApi(server);
  t.deepEqual(await api.kvKeys('doctor/'), []);
  t.deepEqual(await api.sessions(), []);

  const tokenWith = async (rules: string) => {
    const name = `p${Math.random().toString(36).slice(2)}`;
    await api.request('PUT', 'acl/policy', { body: { Name: name, Rules: rules } });
    return (
      await api.request<{ SecretID: string }>('PUT', 'acl/token', { body: { Policies: [{ Name: name }] } })
    ).SecretID;
  };
  const reads = 'agent_prefix "" {policy="read"}\nkey_prefix "" {policy="read"}\n';
  const poor = await doctor(await tokenWith(reads));
  t.is(poor.code, 1);
  t.regex(poor.of('keys')?.message ?? '', /may not write below doctor\/event_queue\/, doctor\/inbox\/s1\//);
  t.regex(poor.of('sessions')?.fix ?? '', /session:write on node s1/);
  t.is(poor.of('catalog')?.status, 'failed');
  const node = ['event_queue', 'inbox/s1', 'progress_task_queue', 'results']
    .map((one) => `key_prefix "doctor/${one}/" {policy="write"}\n`)
    .join('');
  const some = await doctor(
    await tokenWith(
      `${reads}${node}session_prefix "" {policy="write"}\nnode_prefix "" {policy="read"}\nservice_prefix "" {policy="read"}`,
    ),
  );
  t.is(some.of('keys')?.status, 'warning', some.of('keys')?.message);
  t.regex(some.of('keys')?.fix ?? '', /policy-dispatcher/);
  const nobody = await doctor(undefined);
  t.is(nobody.of('Consul')?.status, 'failed');
  t.regex(nobody.of('Consul')?.fix ?? '', /agent:read/);
});

test('doctor without Consul says so and ends with 3', async (t) => {
  const { code, stdout } = await metronome(null, ['doctor', '--port', '9'], { stateDir: tempFolder(t) });
  t.is(code, 3);
  t.regex(stdout, /FAILED +Consul +.*\n(.*\n)*? +fix: start Consul/);
});

test('config shows every value with its source, and no secret', async (t) => {
  const dir = tempFolder(t);
  writeFiles(dir, {
    'config.yml': 'role: web\ntoken: "tip-top-secret"\n',
    'variables.yml': 'password: hunter22\n',
  });
  const args = ['config', '--config', join(dir, 'config.yml'), '--variables', join(dir, 'variables.yml')];
  const options = {
    prefix: freshPrefix(t),
    env: { METRONOME_HTTP_PORT: '9750', METRONOME_EVENT_KEY: 'signing-key' },
  };
  const { stdout, stderr, code } = await metronome(null, args, options);
  t.is(code, 0, stderr);
  t.regex(stdout, /^role +web +file .*config\.yml:1$/m);
  t.regex(stdout, /^http-port +9750 +environment METRONOME_HTTP_PORT$/m);
  t.regex(stdout, /^tick-interval +20s +default$/m);
  t.regex(stdout, /^prefix +\S+ +flag --prefix$/m);
  t.regex(stdout, /^token +\[hidden\] +file/m);
  const json = await metronome(null, [...args, '--json'], options);
  const { settings } = JSON.parse(json.stdout) as {
    settings: { key: string; value: unknown; source: string }[];
  };
  t.deepEqual(
    settings.find(({ key }) => key === 'http-port'),
    {
      key: 'http-port',
      value: 9750,
      source: 'environment METRONOME_HTTP_PORT',
    },
  );
  for (const text of [stdout, stderr, json.stdout]) t.notRegex(text, /tip-top|signing-key|hunter22/);
});

test.serial(
  'on this machine the service manager and Consul are told, in order, and only when something changed',
  async (t) => {
    const dir = tempFolder(t);
    writeFiles(dir, {
      'bin/systemctl': `#!/bin/sh\necho "$*" >> ${dir}/calls\n[ "$1" != daemon-reload ] || [ ! -e ${dir}/broken ] || { echo "no bus" >&2; exit 1; }\n`,
    });
    const path = process.env.PATH;
    process.env.PATH = `${dir}/bin:${path}`;
    t.teardown(() => void (process.env.PATH = path));
    let reloads = 0;
    const site: Site = {
      root: '',
      stateDir: join(dir, 'state'),
      version: '1.0.0',
      dryRun: false,
      force: false,
      say: () => {},
      reloadConsul: async () => void (reloads += 1),
    };
    const planned = (text: string): Plan => ({
      driver: 'timer',
      files: [
        { path: join(dir, 'units/metronome-tick.timer'), text, mode: 0o644 },
        { path: join(dir, 'consul/metronome-service.json'), text: '{}', mode: 0o644 },
      ],
      units: ['metronome-tick.timer'],
    });
    const calls = () => {
      const lines = readFileSync(join(dir, 'calls'), 'utf8').trim().split('\n');
      writeFileSync(join(dir, 'calls'), '');
      return lines;
    };
    await install(planned('one'), site);
    t.deepEqual(calls(), ['daemon-reload', 'enable --now metronome-tick.timer']);
    t.is(reloads, 1);
    await install(planned('one'), site);
    t.deepEqual(calls(), ['enable --now metronome-tick.timer']);
    t.is(reloads, 1);
    await install(planned('two'), site);
    t.deepEqual(calls(), [
      'daemon-reload',
      'enable --now metronome-tick.timer',
      '--no-block restart metronome-tick.timer',
    ]);
    t.is(await remove(site), 'timer');
    t.deepEqual(calls(), ['disable --now metronome-tick.timer', 'daemon-reload']);
    t.is(reloads, 2);
    t.deepEqual(
      Object.keys(tree(dir)).filter((one) => !/bin|calls/.test(one)),
      [],
    );
    writeFiles(dir, { broken: '' });
    await t.throwsAsync(install(planned('one'), site), { message: 'systemctl daemon-reload failed: no bus' });
  },
);
