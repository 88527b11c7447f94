/** The files of deploy/ that the drivers need: as the code writes them, and as their readers accept them. */
import test from 'ava';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deployFiles } from '../../src/drivers/deploy-files.js';
import { units } from '../../src/drivers/units.js';
import { metronome, tempFolder, writeFiles } from '../support/metronome.js';
import { root } from '../support/project.js';

test('deploy/ has the files as metronome install writes them (npm run deploy:files writes them anew)', (t) => {
  const files = deployFiles();
  for (const [path, text] of Object.entries(files)) t.is(readFileSync(join(root, path), 'utf8'), text, path);
  for (const folder of ['deploy/systemd', 'deploy/cron'])
    for (const name of readdirSync(join(root, folder)))
      t.true(`${folder}/${name}` in files, `${folder}/${name}`);
});

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;

(analyze ? test : test.skip)('systemd-analyze verify passes on every unit', (t) => {
  const folder = tempFolder(t);
  const program = join(folder, 'bin', 'metronome');
  writeFiles(folder, { 'bin/metronome': '#!/bin/sh\n' });
  const files = units(program);
  mkdirSync(join(folder, 'units'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'units', name), text);
  const verify = (names: string[]) =>
    spawnSync(
      'systemd-analyze',
      ['verify', '--man=no', ...names.map((name) => join(folder, 'units', name))],
      {
        encoding: 'utf8',
      },
    );
  const good = verify(Object.keys(files));
  t.is(good.status, 0, good.stderr);
  t.is(good.stderr.trim(), '');
  // It does read them: what is wrong is said.
  writeFileSync(
    join(folder, 'units', 'bad.service'),
    `${files['metronome-execute.service']}\nKillMode=nothing\n`,
  );
  t.regex(verify(['bad.service']).stderr, /kill mode/i);
});

test('every unit lets tasks manage the machine, and keeps their daemons', (t) => {
  for (const [name, text] of Object.entries(units('/usr/bin/metronome'))) {
    if (!name.endsWith('.service')) continue;
    t.regex(text, /^KillMode=process$/m, name);
    t.regex(text, /^StartLimitIntervalSec=0$/m, name);
    t.notRegex(text, /^(NoNewPrivileges|ProtectSystem|ProtectHome|PrivateTmp|ProtectKernelTunables)=/m, name);
  }
});

test('the crontab: five fields, a user, a command that runs, and its output in the log', (t) => {
  const folder = tempFolder(t);
  writeFiles(folder, {
    'bin/metronome': `#!/bin/sh\necho "metronome $*" >> ${folder}/calls\necho a warning >&2\n`,
    'bin/logger': `#!/bin/sh\ncat >> ${folder}/log\n`,
    'bin/sleep': '#!/bin/sh\n',
  });
  const text = readFileSync(join(root, 'deploy/cron/metronome'), 'utf8');
  const lines = text.split('\n').filter((line) => /^[*0-9]/.test(line));
  t.is(lines.length, 4);
  for (const line of lines) {
    const match = /^(?:\S+ ){5}root (.+)$/.exec(line);
    t.truthy(match, line);
    const command = (match?.[1] ?? '').replaceAll('/usr/bin/metronome', 'metronome');
    execFileSync('/bin/sh', ['-c', command], { env: { PATH: `${folder}/bin:${process.env.PATH}` } });
  }
  t.is(readFileSync(join(folder, 'calls'), 'utf8'), 'metronome tick --events\n'.repeat(4));
  t.is(readFileSync(join(folder, 'log'), 'utf8'), 'a warning\n'.repeat(4));
  // cron passes over a last line without its end.
  t.true(text.endsWith('\n'));
});

test('the first steps of deploy/README.md: under ten lines, and their schedule file is in order', async (t) => {
  const text = readFileSync(join(root, 'deploy/README.md'), 'utf8');
  const block = /```sh\n([^]*?)```/.exec(text)?.[1] ?? '';
  t.true(block.trim().split('\n').length < 10);
  const folder = tempFolder(t);
  writeFiles(folder, { 'hello/task.yml': /<<'EOF'\n([^]*?)EOF/.exec(block)?.[1] ?? '' });
  const { code, stdout } = await metronome(null, ['validate', '--strict', join(folder, 'hello/task.yml')]);
  t.is(code, 0, stdout);
  const ran = await metronome(null, ['run', 'hello'], {
    files: [join(folder, 'hello/task.yml')],
    stateDir: folder,
  });
  t.regex(ran.stdout, /hello from \S+/);
});
