import test from 'ava';
import { idFault, nameFault, shown } from '../../src/run/names.js';

const NAMES: readonly (readonly [name: unknown, fault: string | undefined])[] = [
  ['deploy', undefined],
  ['überprüfen 中文 🚀', undefined],
  ['a.b-c_d', undefined],
  ['..a', undefined],
  ['', 'is empty'],
  ['.', 'is "."'],
  ['..', 'is ".."'],
  ['a/b', 'has a slash'],
  ['../etc/passwd', 'has a slash'],
  ['/', 'has a slash'],
  ['a\0b', 'has a control character'],
  ['a\nb', 'has a control character'],
  ['a\u001b[31m', 'has a control character'],
  ['a\u0085b', 'has a control character'],
  ['a\u2028b', 'has a control character'],
  ['a\u007f', 'has a control character'],
  ['a\ud800', 'is not valid Unicode'],
  ['x'.repeat(128), undefined],
  ['x'.repeat(129), 'is longer than 128 bytes'],
  ['ä'.repeat(64), undefined],
  ['ä'.repeat(65), 'is longer than 128 bytes'],
  ['🚀'.repeat(33), 'is longer than 128 bytes'],
  [undefined, 'expected a string, found undefined'],
  [null, 'expected a string, found null'],
  [7, 'expected a string, found number'],
  [['a'], 'expected a string, found object'],
];
for (const [name, fault] of NAMES) {
  test(`name ${shown(name)} ${String(name).length}`, (t) => {
    t.is(nameFault(name), fault);
  });
}

const IDS: readonly (readonly [id: unknown, good: boolean])[] = [
  ['b54fe110-7af5-cafc-d1fb-afc8ba432b1c', true],
  ['cron-nightly.2026', true],
  ['7', true],
  ['-rf', false],
  ['.hidden', false],
  ['..', false],
  ['a b', false],
  ['a/b', false],
  ['a$(id)', false],
  ["a'b", false],
  ['a\n', false],
  ['ä', false],
  ['', false],
  [{}, false],
];
for (const [id, good] of IDS) {
  test(`id ${shown(id)} is ${good ? 'taken' : 'refused'}`, (t) => {
    t.is(idFault(id) === undefined, good);
  });
}

test('a name is shown on one line, quoted and short', (t) => {
  t.is(shown('a\nb"c'), String.raw`"a\nb\"c"`);
  t.is(shown(undefined), 'undefined');
  t.true(shown('x'.repeat(1000)).length <= 80);
  t.is(shown('\u001b[2J'), String.raw`"\u001b[2J"`);
  t.is(shown('a\u2028b\u009b'), String.raw`"a\u2028b\u009b"`);
});
