/** The two packages: what they hold, and that what they install runs. */
import test from 'ava';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  consulApi,
  freshName,
  freshPrefix,
  registerService,
  deregister,
  sharedCluster,
} from '../support/cluster.js';
import { tempFolder, writeFiles } from '../support/metronome.js';
import { root } from '../support/project.js';

/** Runs an event with the program: a push, which dispatches, and the execute that follows. */
async function runsAnEvent(t: import('ava').ExecutionContext, program: string): Promise<void> {
  const node = sharedCluster().node('n2');
  const dir = tempFolder(t);
  const service = freshName('app');
  const registered = await registerService(node, { name: service });
  t.teardown(() => deregister(node, registered));
  writeFiles(dir, {
    'web/task.yml': `events: {go: {ordered_tasks: [{service: ${service}, task: work}]}}\ntasks: {work: {operations: [{execute: {script: 'echo hello > ${dir}/ran'}}]}}\n`,
  });
  const prefix = freshPrefix(t);
  const id = randomUUID();
  const call = (name: string, input = '') =>
    execFileSync(
      program,
      [name, '--prefix', prefix, '--state-dir', join(dir, 'state'), '--files', join(dir, 'web/task.yml')],
      {
        input,
        cwd: '/',
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { PATH: process.env.PATH, CONSUL_HTTP_ADDR: `${node.host}:${node.port}`, ...guarded() },
      },
    );
  call('push', JSON.stringify([{ ID: id, Name: 'go', Payload: null, LTime: 1 }]));
  call('execute');
  t.is(readFileSync(join(dir, 'ran'), 'utf8'), 'hello\n');
  const result = JSON.parse((await consulApi(node).kvGet(`${prefix}results/${id}`))?.value ?? '{}') as {
    Status?: string;
  };
  t.is(result.Status, 'success');
}

const guarded = () =>
  process.env.METRONOME_GUARD === undefined ? {} : { METRONOME_GUARD: process.env.METRONOME_GUARD };

test('npm pack gives one archive that npm i -g installs without network, and that runs an event', async (t) => {
  const dir = tempFolder(t);
  // --ignore-scripts: dist/ is built before the tests, and others use it now.
  const npm = (...args: string[]) =>
    execFileSync('npm', [...args, '--ignore-scripts', '--cache', join(dir, 'cache'), '--loglevel', 'error'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const [packed] = JSON.parse(npm('pack', '--json', '--pack-destination', dir)) as {
    filename: string;
    files: { path: string }[];
  }[];
  const paths = packed?.files.map(({ path }) => path) ?? [];
  for (const path of [
    'dist/metronome.js',
    'deploy/systemd/metronome-agent.service',
    'deploy/README.md',
    'README.md',
    'LICENSE',
  ])
    t.true(paths.includes(path), path);
  t.deepEqual(
    paths.filter((path) => /^(src|test|handlers|build|node_modules)\//.test(path)),
    [],
  );
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
  t.is(manifest.dependencies, undefined, 'nothing is to be fetched with it');
  // A registry that cannot answer: nothing may be asked of it.
  npm(
    'install',
    '--global',
    '--prefix',
    join(dir, 'prefix'),
    '--registry',
    'http://127.0.0.1:9',
    '--offline',
    '--no-audit',
    '--no-fund',
    join(dir, packed?.filename ?? ''),
  );
  await runsAnEvent(t, join(dir, 'prefix/bin/metronome'));
});

const dpkg = spawnSync('dpkg-deb', ['--version']).status === 0;

(dpkg ? test : test.skip)(
  'the Debian package: units, conffiles, a manual page, and a program that runs an event',
  async (t) => {
    const dir = tempFolder(t);
    const deb = execFileSync(join(root, 'deploy/deb/build'), [dir], { encoding: 'utf8', cwd: '/' }).trim();
    const field = (name: string) => execFileSync('dpkg-deb', ['-f', deb, name], { encoding: 'utf8' }).trim();
    t.is(field('Depends'), 'nodejs (>= 20.19)');
    execFileSync('dpkg-deb', ['-e', deb, join(dir, 'control')]);
    t.is(
      readFileSync(join(dir, 'control/conffiles'), 'utf8'),
      '/etc/metronome/config.yml\n/etc/default/metronome\n',
    );
    for (const script of ['postinst', 'prerm', 'postrm'])
      execFileSync('/bin/sh', ['-n', join(dir, 'control', script)]);
    execFileSync('dpkg-deb', ['-x', deb, join(dir, 'root')]);
    const at = (path: string) => join(dir, 'root', path);
    for (const path of [
      'usr/lib/systemd/system/metronome-agent.service',
      'usr/lib/systemd/system/metronome-tick.timer',
      'usr/share/doc/metronome/copyright',
      'usr/share/doc/metronome/consul/metronome-watches.json',
    ])
      t.true(existsSync(at(path)), path);
    const page = execFileSync('gzip', ['-dc', at('usr/share/man/man1/metronome.1.gz')], { encoding: 'utf8' });
    for (const word of ['.TH METRONOME 1', 'metronome agent', '\\-\\-stop\\-timeout', 'EXIT STATUS'])
      t.true(page.includes(word), word);
    await runsAnEvent(t, at('usr/bin/metronome'));
  },
);

const installs = dpkg && process.getuid?.() === 0 && spawnSync('dpkg', ['--version']).status === 0;

(installs ? test : test.skip)(
  'dpkg installs it into a root of its own, keeps a changed config file, and purges all',
  (t) => {
    const dir = tempFolder(t);
    const deb = execFileSync(join(root, 'deploy/deb/build'), [dir], { encoding: 'utf8' }).trim();
    const other = join(dir, 'root');
    mkdirSync(join(other, 'var/lib/dpkg/info'), { recursive: true });
    mkdirSync(join(other, 'var/lib/dpkg/updates'), { recursive: true });
    writeFileSync(join(other, 'var/lib/dpkg/status'), '');
    const run = (...args: string[]) =>
      execFileSync(
        'dpkg',
        [
          `--root=${other}`,
          '--force-script-chrootless',
          '--force-depends',
          '--force-confold',
          '--force-not-root',
          '--log=/dev/null',
          ...args,
        ],
        { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
      );
    run('-i', deb);
    const program = join(other, 'usr/bin/metronome');
    t.regex(execFileSync(program, ['version'], { encoding: 'utf8' }), /^metronome \d/);
    const config = join(other, 'etc/metronome/config.yml');
    writeFileSync(config, 'role: mine\n');
    run('-i', deb);
    t.is(readFileSync(config, 'utf8'), 'role: mine\n');
    mkdirSync(join(other, 'var/lib/metronome'), { recursive: true });
    run('-r', 'metronome');
    t.false(existsSync(program));
    t.true(existsSync(config));
    run('-P', 'metronome');
    t.false(existsSync(config));
    t.false(existsSync(join(other, 'var/lib/metronome')));
  },
);
