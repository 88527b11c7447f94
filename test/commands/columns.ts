import test from 'ava';
import { table, widthOf, wrap } from '../../src/commands/columns.js';

const COLUMNS = [
  { head: 'ID' },
  { head: 'EVENT', wraps: 8 },
  { head: 'TOOK', right: true as const },
  { head: 'REASON' },
];
const LONG = 'the schedule files of n1 are broken and nobody else could plan it for two minutes';

for (const columns of [60, 80, 120]) {
  test(`a table keeps to ${columns} columns and loses nothing`, (t) => {
    const rows = [
      ['1f0c9a2e', 'configure', '3 s', LONG],
      ['77c1a9b0', 'a-very-long-name-of-an-event-indeed', '12 m 3 s', ''],
      ['00000001', 'x', '', 'short'],
    ];
    const lines = table(COLUMNS, rows, { columns, colour: false });
    for (const line of lines) t.true(widthOf(line) <= columns, `${widthOf(line)}: ${line}`);
    const text = lines.join(' ').replace(/\s+/g, ' ');
    for (const word of LONG.split(' ')) t.true(text.includes(word), word);
    // The name may be broken in two, not cut.
    t.true(lines.join('').replace(/\s+/g, '').includes('a-very-l'));
    t.is(lines[0]?.startsWith('ID'), true);
  });
}

test('in a pipe each row is one line, however long', (t) => {
  const lines = table(COLUMNS, [['a', 'b', 'c', LONG]], { columns: Number.POSITIVE_INFINITY, colour: false });
  t.is(lines.length, 2);
  t.true(lines[1]?.endsWith(LONG));
});

test('colour wraps the words, not the gaps, and escape sequences from elsewhere do not pass', (t) => {
  const [, row = ''] = table(
    [{ head: 'A' }, { head: 'B' }],
    [[{ text: 'ok', tone: 'good' }, '\u001b[2Jevil']],
    { columns: 80, colour: true },
  );
  t.is(row, '\u001b[32mok\u001b[0m  ·[2Jevil');
});

test('wrap breaks at spaces, and words that are longer than a line', (t) => {
  t.deepEqual(wrap('one two three', 7), ['one two', 'three']);
  t.deepEqual(wrap('abcdefgh i', 3), ['abc', 'def', 'gh', 'i']);
  t.deepEqual(wrap('日本語', 4), ['日本', '語']);
});
