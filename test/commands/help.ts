import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { COMMANDS } from '../../src/commands/table.js';
import { metronome, tempFolder } from '../support/metronome.js';

test('help has an example for every command, and names every command', async (t) => {
  const overview = await metronome(null, ['help']);
  for (const command of COMMANDS) {
    t.true(command.examples.length > 0, `${command.name} has an example`);
    t.true(command.description.length > 0 || command.bare === true, `${command.name} is described`);
    t.regex(overview.stdout, new RegExp(`^  ${command.name} `, 'm'));
    for (const line of overview.stdout.split('\n')) t.true(line.length <= 120);
  }
  const fire = await metronome(null, ['fire', '--help']);
  t.is(fire.code, 0);
  t.regex(fire.stdout, /metronome fire deploy --data version=2\.4\.1 --wait/);
});

test('no flag means two things: one kind for each name, in all commands', (t) => {
  const kinds = new Map<string, string>();
  for (const flag of COMMANDS.flatMap((command) => command.flags)) {
    // `status` of history is a list; nothing else is called so.
    t.is(kinds.get(flag.name) ?? flag.kind, flag.kind, flag.name);
    kinds.set(flag.name, flag.kind);
  }
});

test('bash completes commands, their flags and files', async (t) => {
  const folder = tempFolder(t);
  const script = join(folder, 'completion');
  writeFileSync(script, (await metronome(null, ['completion', 'bash'])).stdout);
  const complete = (...words: string[]) =>
    execFileSync(
      'bash',
      [
        '-c',
        `source "$0"; COMP_WORDS=(metronome "$@"); COMP_CWORD=$#; _metronome; printf '%s\\n' "\${COMPREPLY[@]}"`,
        script,
        ...words,
      ],
      { encoding: 'utf8', cwd: folder },
    )
      .trimEnd()
      .split('\n');
  t.deepEqual(complete('ca'), ['cancel']);
  t.deepEqual(complete('--host', 'x', 'hist'), ['history']);
  t.deepEqual(complete('fire', 'x', '--wa'), ['--wait']);
  t.deepEqual(complete('queue', 'm'), ['move']);
  t.deepEqual(complete('help', 'appr'), ['approve']);
  t.deepEqual(complete('validate', 'comp'), ['completion']);
  t.true(complete('logs', '--').includes('--follow'));
});

test('zsh and fish scripts name every command and are read without an error where the shell is there', async (t) => {
  for (const [shell, check] of [
    ['zsh', ['-n']],
    ['fish', ['--no-execute']],
  ] as const) {
    const { stdout, code } = await metronome(null, ['completion', shell]);
    t.is(code, 0);
    for (const command of COMMANDS) t.true(stdout.includes(command.name), `${shell}: ${command.name}`);
    const file = join(tempFolder(t), shell);
    writeFileSync(file, stdout);
    try {
      execFileSync(shell, [...check, file], { stdio: 'pipe' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        t.log(`${shell} is not installed: its script was not read`);
      else t.fail(String((error as { stderr?: Buffer }).stderr));
    }
  }
  const wrong = await metronome(null, ['completion', 'tcsh']);
  t.is(wrong.code, 2);
});
