import test from 'ava';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dismiss, dismissedIds } from '../../src/local/dismissed.js';
import { tempFolder } from '../support/metronome.js';

test('what was dismissed is remembered', (t) => {
  const stateDir = join(tempFolder(t), 'new');
  t.is(dismissedIds(stateDir).size, 0);
  dismiss(stateDir, ['a', 'b']);
  dismiss(stateDir, ['c', 'a']);
  t.deepEqual([...dismissedIds(stateDir)], ['a', 'b', 'c']);
});

test('nothing new is nothing written', (t) => {
  const stateDir = tempFolder(t);
  const file = join(stateDir, 'dismissed.json');
  dismiss(stateDir, []);
  t.throws(() => statSync(file));
  dismiss(stateDir, ['a']);
  const { ino } = statSync(file);
  dismiss(stateDir, ['a']);
  t.is(statSync(file).ino, ino);
  t.is(statSync(file).mode & 0o777, 0o600);
});

test('the last 512 are kept, and Consul has 256', (t) => {
  const stateDir = tempFolder(t);
  const ids = Array.from({ length: 700 }, (_, at) => `e${at}`);
  for (let at = 0; at < 700; at += 70) dismiss(stateDir, ids.slice(at, at + 70));
  t.deepEqual([...dismissedIds(stateDir)], ids.slice(-512));
  dismiss(stateDir, ['last']);
  t.deepEqual([...dismissedIds(stateDir)], [...ids.slice(-511), 'last']);
  const all = Array.from({ length: 600 }, (_, at) => `f${at}`);
  dismiss(stateDir, all);
  t.deepEqual([...dismissedIds(stateDir)], all.slice(-512));
});

test('a broken file is as none, and is mended by the next', (t) => {
  const stateDir = tempFolder(t);
  const file = join(stateDir, 'dismissed.json');
  for (const text of ['', '{', 'null', '{"a":1}', '"a"']) {
    writeFileSync(file, text);
    t.is(dismissedIds(stateDir).size, 0, text);
    dismiss(stateDir, ['a']);
    t.is(readFileSync(file, 'utf8'), '["a"]');
  }
  writeFileSync(file, '["a", 1, null, "b", {"c": 1}]');
  t.deepEqual([...dismissedIds(stateDir)], ['a', 'b']);
});

test('a folder in its place is told, not passed over', (t) => {
  const stateDir = tempFolder(t);
  mkdirSync(join(stateDir, 'dismissed.json'));
  t.is(dismissedIds(stateDir).size, 0);
  t.throws(() => dismiss(stateDir, ['a']), { message: /dismissed\.json/ });
});
