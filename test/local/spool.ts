import test from 'ava';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSpool, spool, unspool } from '../../src/local/spool.js';
import { tempFolder } from '../support/metronome.js';

const parse = (text: string): unknown => {
  const value = JSON.parse(text) as { id?: string };
  if (typeof value.id !== 'string') throw new Error('is no\nevent');
  return value;
};

test('what is kept is read again, and forgotten when it is done', (t) => {
  const stateDir = join(tempFolder(t), 'state');
  t.deepEqual(readSpool(stateDir, parse, t.fail), [], 'there is none yet');
  const event = { id: 'e1', payload: '"x"\n\u0000 größe', ltime: 3 };
  const file = spool(stateDir, 'e1', event);
  t.is(file, join(stateDir, 'spool/e1.json'));
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(statSync(join(stateDir, 'spool')).mode & 0o777, 0o700);
  t.is(statSync(stateDir).mode & 0o777, 0o700);
  t.deepEqual(readSpool(stateDir, parse, t.fail), [{ file, value: event }]);
  unspool(file);
  t.deepEqual(readSpool(stateDir, parse, t.fail), []);
  t.notThrows(() => unspool(file), 'another tick may have done it');
});

test('an event kept twice is kept once, as it last was', (t) => {
  const stateDir = tempFolder(t);
  spool(stateDir, 'e1', { id: 'e1', at: 1 });
  spool(stateDir, 'e1', { id: 'e1', at: 2 });
  t.deepEqual(
    readSpool(stateDir, parse, t.fail).map(({ value }) => value),
    [{ id: 'e1', at: 2 }],
  );
});

test('the order does not depend on the folder’s', (t) => {
  const stateDir = tempFolder(t);
  for (const id of ['c', 'a', 'e10', 'b', 'e1']) spool(stateDir, id, { id });
  t.deepEqual(
    readSpool(stateDir, parse, t.fail).map(({ value }) => (value as { id: string }).id),
    ['a', 'b', 'c', 'e1', 'e10'],
  );
});

test('what cannot be read is set aside with one line, and the rest goes on', (t) => {
  const stateDir = tempFolder(t);
  spool(stateDir, 'good', { id: 'good' });
  const folder = join(stateDir, 'spool');
  writeFileSync(join(folder, 'half.json'), '{"id":"ha');
  writeFileSync(join(folder, 'empty.json'), '');
  writeFileSync(join(folder, 'other.json'), '{"x":1}');
  mkdirSync(join(folder, 'folder.json'));
  // Not ours to judge.
  writeFileSync(join(folder, 'README'), 'x');
  writeFileSync(join(folder, '.tmp123.tmp'), '{"id":"ha');
  writeFileSync(join(folder, 'old.json.bad'), 'x');
  const lines: string[] = [];
  const read = () => readSpool(stateDir, parse, (line) => lines.push(line));
  t.deepEqual(
    read().map(({ file }) => file),
    [join(folder, 'good.json')],
  );
  t.is(lines.length, 4);
  for (const line of lines) t.regex(line, /^spool file \S+ cannot be read \(.+\): set aside as \S+\.bad$/);
  t.deepEqual(
    readdirSync(folder).toSorted(),
    [
      '.tmp123.tmp',
      'README',
      'empty.json.bad',
      'folder.json.bad',
      'good.json',
      'half.json.bad',
      'old.json.bad',
      'other.json.bad',
    ].toSorted(),
  );
  t.is(read().length, 1);
  t.is(lines.length, 4, 'said once');
});

test('setting aside one of a name that was set aside before', (t) => {
  const stateDir = tempFolder(t);
  const folder = join(stateDir, 'spool');
  mkdirSync(join(folder, 'e.json.bad'), { recursive: true });
  writeFileSync(join(folder, 'e.json.bad/in'), 'x');
  writeFileSync(join(folder, 'e.json'), '{');
  spool(stateDir, 'good', { id: 'good' });
  const lines: string[] = [];
  t.is(readSpool(stateDir, parse, (line) => lines.push(line)).length, 1, 'the good one is read in any case');
  t.deepEqual(
    lines.map((line) => line.endsWith('not set aside either: remove it')),
    [true],
  );
  t.true(existsSync(join(folder, 'e.json.bad/in')));
});
