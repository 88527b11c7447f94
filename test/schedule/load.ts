import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import anyTest, { type TestFn } from 'ava';
import { loadSchedules } from '../../src/schedule/load.js';

const test = anyTest as TestFn<{ folder: string }>;
const GOOD = 'events:\n  deploy:\n    task: t\ntasks:\n  t:\n    operations:\n      - echo: hello\n';
const root = process.getuid?.() === 0;

test.beforeEach(async (t) => {
  t.context.folder = await mkdtemp(join(tmpdir(), 'metronome-load-'));
});
test.afterEach.always((t) => rm(t.context.folder, { recursive: true, force: true }));

/** Writes `text` into a folder called `pattern` and gives the path of the file. */
async function put(folder: string, pattern: string, text: string | Buffer): Promise<string> {
  await mkdir(join(folder, pattern), { recursive: true });
  const file = join(folder, pattern, 'task.yml');
  await writeFile(file, text);
  return file;
}

const told = async (files: readonly string[], options = { refuseWritableByOthers: false }) =>
  (await loadSchedules(files, options)).problems.map(
    ({ place, message }) => `${place.file}:${place.line}:${place.column}: ${message}`,
  );

test('several files, in their order', async (t) => {
  const files = [await put(t.context.folder, 'b', GOOD), await put(t.context.folder, 'a', `\uFEFF${GOOD}`)];
  const { schedules, problems } = await loadSchedules(files, { refuseWritableByOthers: false });
  t.deepEqual(problems, []);
  t.deepEqual(
    schedules.map(({ pattern }) => pattern),
    ['b', 'a'],
  );
  t.deepEqual(
    schedules.map(({ file }) => file),
    files,
  );
  // The hash is that of the bytes: a BOM makes another file.
  t.not(schedules[0]?.hash, schedules[1]?.hash);
});

test('what cannot be read is told beside what can', async (t) => {
  const { folder } = t.context;
  const good = await put(folder, 'good', GOOD);
  const bad = await put(folder, 'bad', Buffer.from('events: {}\n# caf\xe9\n', 'latin1'));
  const large = await put(folder, 'large', `# ${'x'.repeat(9 * 1024 * 1024)}`);
  const { schedules } = await loadSchedules([good, bad], { refuseWritableByOthers: false });
  t.deepEqual(
    schedules.map(({ pattern }) => pattern),
    ['good'],
  );
  t.deepEqual(
    await told([join(folder, 'none/task.yml'), good, folder, bad, large, `${good}/task.yml`, '/dev/null']),
    [
      `${folder}/none/task.yml:1:1: there is no such file`,
      `${folder}:1:1: is a folder: expected a schedule file`,
      `${bad}:1:1: is not UTF-8 from line 2 on: expected a text file in UTF-8`,
      `${large}:1:1: has 10 MiB: expected at most 8 MiB`,
      `${good}/task.yml:1:1: there is no such file`,
      '/dev/null:1:1: is no regular file: expected a schedule file',
    ],
  );
});

test('problems between files are told too', async (t) => {
  const files = [await put(t.context.folder, 'one/web', GOOD), await put(t.context.folder, 'two/web', GOOD)];
  t.regex(
    (await told(files)).join(),
    /two\/web\/task\.yml:1:1: the folder has the same name as that of .*one\/web/,
  );
});

test('a file that others can write is refused when tasks run as root', async (t) => {
  const file = await put(t.context.folder, 'web', GOOD);
  const folder = join(t.context.folder, 'web');
  const strict = { refuseWritableByOthers: true };
  if (!root) {
    t.regex(
      (await told([file], strict)).join(),
      /belongs to user \d+, who could thereby run commands as root/,
    );
    return;
  }
  await chmod(folder, 0o755);
  await chmod(file, 0o644);
  t.deepEqual(await told([file], strict), []);
  await chmod(file, 0o664);
  t.deepEqual(await told([file], strict), [], 'the group is that of root');
  await chown(file, 0, 1);
  t.deepEqual(await told([file], strict), [
    `${file}:1:1: the file can be written by group 1, who could thereby run commands as root`,
  ]);
  await chmod(file, 0o646);
  t.deepEqual(await told([file], strict), [
    `${file}:1:1: the file can be written by every user, who could thereby run commands as root`,
  ]);
  await chmod(file, 0o644);
  await chown(file, 1, 0);
  t.deepEqual(await told([file], strict), [
    `${file}:1:1: the file belongs to user 1, who could thereby run commands as root`,
  ]);
  await chown(file, 0, 0);
  await chmod(folder, 0o1777);
  t.deepEqual(await told([file], strict), [
    `${file}:1:1: its folder ${folder} can be written by every user, who could thereby run commands as root`,
  ]);
  t.deepEqual(await told([file]), [], 'not asked for');
});
