import { appendFileSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Tail } from '../../src/operations/tail.js';
import { until } from '../support/until.js';

async function tailOf(t: ExecutionContext, emptyAt?: number) {
  const folder = mkdtempSync(join(tmpdir(), 'metronome-tail-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'output');
  writeFileSync(file, '');
  const seen = { text: '', emptied: 0, skipped: 0 };
  const tail = await Tail.open(file, {
    onChunk(chunk) {
      seen.text += chunk.toString();
    },
    onEmptied() {
      seen.emptied += 1;
    },
    onSkipped(bytes) {
      seen.skipped += bytes;
    },
    ...(emptyAt === undefined ? {} : { emptyAt }),
  });
  return { file, seen, tail };
}

test('what is appended is handed on, and the end reads the rest', async (t) => {
  const { file, seen, tail } = await tailOf(t);
  appendFileSync(file, 'one ');
  await until(() => seen.text === 'one ', 'the first part');
  appendFileSync(file, 'two ');
  await until(() => seen.text === 'one two ', 'the second part');
  appendFileSync(file, 'three');
  await tail.end();
  t.is(seen.text, 'one two three');
});

test('a file that has grown large is emptied once it is read, and nothing is read twice', async (t) => {
  const { file, seen, tail } = await tailOf(t, 1000);
  let written = '';
  for (let round = 0; round < 5; round += 1) {
    const part = `${round}`.repeat(1500);
    written += part;
    appendFileSync(file, part);
    await until(() => statSync(file).size === 0, 'the file to be emptied');
  }
  await tail.end();
  t.deepEqual(seen, { text: written, emptied: 0, skipped: 0 });
});

test('a file that the writer emptied is read from its beginning', async (t) => {
  const { file, seen, tail } = await tailOf(t);
  appendFileSync(file, 'a long beginning');
  await until(() => seen.text !== '', 'the beginning');
  truncateSync(file);
  appendFileSync(file, ' new');
  await tail.end();
  t.deepEqual(seen, { text: 'a long beginning new', emptied: 1, skipped: 0 });
});

test('what comes faster than it is read does not fill the disk, and its end is handed on', async (t) => {
  const { file, seen, tail } = await tailOf(t, 1_000_000);
  appendFileSync(file, `${'x'.repeat(5_000_000)}the end`);
  await until(() => statSync(file).size === 0, 'the file to be emptied');
  appendFileSync(file, ' and more');
  await tail.end();
  t.true(seen.text.endsWith('xxthe end and more'));
  t.true(seen.skipped > 4_000_000);
  t.is(seen.text.length + seen.skipped, 5_000_000 + 'the end and more'.length);
  t.is(seen.emptied, 0);
});
