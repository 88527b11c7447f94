/** `metronome run EVENT` and `metronome dispatch EVENT`: an event's tasks on this machine alone, without Consul. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { metronome, tempFolder, writeSchedule } from '../support/metronome.js';

/** Calls it with a schedule whose tasks write into a file of notes; no Consul listens at its port. */
async function here(t: ExecutionContext, args: readonly string[]) {
  const dir = tempFolder(t);
  const notes = join(dir, 'notes');
  const note = (what: string, more = 'true') =>
    `{operations: [{execute: {script: 'echo ${what} $METRONOME_STEP $METRONOME_DATA_K >> ${notes}; ${more}'}}]}`;
  const file = writeSchedule(
    t,
    `events:
  fine: {ordered_tasks: [{service: db, task: first}, {service: app, tag: a, task: second}]}
  breaks:
    ordered_tasks: [{service: db, task: fails}, {service: app, task: second}]
    rescue: [{service: db, task: mends}]
    always: [{service: db, task: tidies}]
  kernel: {ordered_tasks: [{service: db, task: first}, {service: db, task: reboots}]}
tasks:
  first: ${note('first')}
  second: ${note('second')}
  fails: ${note('fails', 'exit 7')}
  mends: ${note('mends')}
  tidies: ${note('tidies')}
  reboots:
    operations:
      - reboot: {command: 'echo rebooted >> ${notes}'}
`,
  );
  const called = await metronome(null, [...args, '--port=1'], {
    files: [file],
    stateDir: join(dir, 'state'),
  });
  let lines: string[] = [];
  try {
    lines = readFileSync(notes, 'utf8').trimEnd().split('\n');
  } catch {
    // Nothing ran.
  }
  return { ...called, lines };
}

for (const [name, data, value] of [
  ['run', ['--data=k=v'], ' v'],
  ['dispatch', [], ''],
] as const)
  test(`${name} EVENT runs its steps in order, on this machine, whatever the services`, async (t) => {
    const { code, lines, stderr } = await here(t, [name, 'fine', ...data]);
    t.is(code, 0, stderr);
    t.deepEqual(lines, [`first 0${value}`, `second 1${value}`]);
    t.regex(stderr, /event fine: success/);
  });

test('after a failure the rescue runs, and always the rest; the exit code says which', async (t) => {
  const { code, lines, stderr } = await here(t, ['run', 'breaks']);
  t.deepEqual(lines, ['fails 0', 'mends 2', 'tidies 3']);
  t.is(code, 0, stderr);
});

test('an event that reboots is refused before anything of it runs', async (t) => {
  const { code, lines, stderr } = await here(t, ['run', 'kernel']);
  t.is(code, 2);
  t.deepEqual(lines, []);
  t.regex(stderr, /task reboots reboots the machine \(.*task\.yml:16\).*\n.*metronome fire kernel/);
});

test('an event that no file defines: the names that exist', async (t) => {
  const { code, stderr } = await here(t, ['run', 'fin']);
  t.is(code, 2);
  t.regex(stderr, /did you mean "fine"\?/);
});
