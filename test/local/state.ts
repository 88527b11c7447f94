import test from 'ava';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { InputError } from '../../src/errors.js';
import { ensureStateDir, writeWhole } from '../../src/local/state.js';
import { tempFolder } from '../support/metronome.js';

const run = promisify(execFile);
const module = new URL('../../src/local/state.js', import.meta.url).href;
const mode = (path: string) => statSync(path).mode & 0o777;

test('the state folder and what is in it are nobody else’s business', (t) => {
  const folder = join(tempFolder(t), 'a/b');
  t.is(ensureStateDir(folder), folder);
  t.is(mode(folder), 0o700);
  writeWhole(join(folder, 'c/d.json'), 'x');
  t.is(mode(join(folder, 'c')), 0o700);
  t.is(mode(join(folder, 'c/d.json')), 0o600);
  // Over one that was open to all as well.
  writeFileSync(join(folder, 'open'), 'x');
  chmodSync(join(folder, 'open'), 0o644);
  writeWhole(join(folder, 'open'), 'y');
  t.is(mode(join(folder, 'open')), 0o600);
});

test('a state folder that cannot be one says what to do', (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'file'), '');
  symlinkSync('/no/such/place', join(folder, 'link'));
  for (const path of ['file', 'file/below', 'link'])
    t.throws(
      () => ensureStateDir(join(folder, path)),
      { instanceOf: InputError, message: /--state-dir$/ },
      path,
    );
});

test('a file is written over as a whole, and nothing else is left', (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'f.json');
  for (const text of ['first', '', 'größe\n\0', 'x'.repeat(3_000_000)]) {
    writeWhole(file, text);
    t.is(readFileSync(file, 'utf8'), text);
  }
  t.deepEqual(readdirSync(folder), ['f.json']);
});

test('a link is replaced, and what it points to is left alone', (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'target'), 'mine');
  symlinkSync(join(folder, 'target'), join(folder, 'f.json'));
  writeWhole(join(folder, 'f.json'), 'new');
  t.is(readFileSync(join(folder, 'target'), 'utf8'), 'mine');
  t.is(readFileSync(join(folder, 'f.json'), 'utf8'), 'new');
});

test('what cannot be written leaves the old one and nothing beside it', (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'f.json'));
  writeFileSync(join(folder, 'f.json/in'), 'kept');
  const error = t.throws(() => writeWhole(join(folder, 'f.json'), 'x'));
  t.regex(error?.message ?? '', /f\.json/);
  t.deepEqual(readdirSync(folder), ['f.json']);
  t.is(readFileSync(join(folder, 'f.json/in'), 'utf8'), 'kept');
});

test('a disk that fills up in the middle leaves the old one', async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'f.json');
  writeFileSync(file, 'old');
  const script = `
    import { writeWhole } from ${JSON.stringify(module)};
    try { writeWhole(process.argv[1], 'x'.repeat(100_000)); console.log('written'); }
    catch (error) { console.log('refused'); }`;
  // A limit on the size of files: the write is cut short there, as by a full disk.
  const { stdout } = await run('/bin/sh', [
    '-c',
    'trap "" XFSZ; ulimit -f 16; exec "$0" --input-type=module -e "$1" "$2"',
    process.execPath,
    script,
    file,
  ]);
  t.is(stdout.trim(), 'refused');
  t.is(readFileSync(file, 'utf8'), 'old');
  t.deepEqual(readdirSync(folder), ['f.json']);
});

test('a reader never sees a half file, however many write', async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'f.json');
  const stop = join(folder, 'stop');
  writeWhole(file, 'a'.repeat(200_000));
  const script = `
    import { writeWhole } from ${JSON.stringify(module)};
    import { existsSync } from 'node:fs';
    const [file, stop, letter] = process.argv.slice(1);
    let rounds = 0;
    while (!existsSync(stop)) { writeWhole(file, letter.repeat(200_000)); rounds += 1; }
    console.log(rounds);`;
  const writers = ['b', 'c'].map((letter) =>
    run(process.execPath, ['--input-type=module', '-e', script, file, stop, letter]),
  );
  const seen = new Set<string>();
  const start = performance.now();
  try {
    for (let reads = 0; (reads < 300 || seen.size < 3) && performance.now() - start < 60_000; reads += 1) {
      const text = readFileSync(file, 'utf8');
      if (text.length !== 200_000 || new Set(text).size !== 1) return t.fail(`a half file: ${text.length}`);
      seen.add(text.charAt(0));
      if (reads % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  } finally {
    writeFileSync(stop, '');
    await Promise.all(writers);
  }
  t.true(seen.size >= 2, 'the writers were seen at work');
  t.true(existsSync(file));
  t.deepEqual(readdirSync(folder).toSorted(), ['f.json', 'stop']);
});
