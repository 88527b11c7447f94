import test from 'ava';
import { interleave, type LogLine, newLines, parseLog } from '../../src/run/log-lines.js';

const line = (second: number, text: string, node = 'n1'): LogLine => ({
  no: 0,
  node,
  time: `2026-11-23T12:00:0${second}.000Z`,
  level: 'INFO',
  text,
});
const texts = (lines: readonly LogLine[]) => lines.map(({ text }) => text);

test('parseLog reads time, level and text; a line without a time has that of the one before', (t) => {
  t.deepEqual(parseLog('2026-11-23T11:32:39.248Z [INFO ] -- Task t has started\nbare\n', 3, 'n2'), [
    { no: 3, node: 'n2', time: '2026-11-23T11:32:39.248Z', level: 'INFO', text: '-- Task t has started' },
    { no: 3, node: 'n2', time: '2026-11-23T11:32:39.248Z', level: '', text: 'bare' },
  ]);
  t.deepEqual(parseLog('', 0, 'n1'), []);
});

test('interleave goes by time, and keeps the order of each log when its clock steps back', (t) => {
  const a = [line(1, 'a1'), line(5, 'a2'), line(3, 'a3, by a clock set back')];
  const b = [line(2, 'b1', 'n2'), line(4, 'b2', 'n2'), line(6, 'b3', 'n2')];
  t.deepEqual(texts(interleave([a, b])), ['a1', 'b1', 'b2', 'a2', 'a3, by a clock set back', 'b3']);
  t.deepEqual(interleave([]), []);
});

const before = [line(1, 'a'), line(2, 'b'), line(2, 'c')];
for (const [what, after, expected] of [
  ['grown', [...before, line(3, 'd')], ['d']],
  ['the same', before, []],
  ['lost its middle', [line(1, 'a'), line(2, 'left out'), line(2, 'c'), line(3, 'd')], ['d']],
  ['lost what was shown last', [line(1, 'a'), line(3, 'x'), line(4, 'y')], ['x', 'y']],
  ['another attempt', [line(5, 'a'), line(6, 'b')], ['a', 'b']],
] as const) {
  test(`newLines: ${what}`, (t) => {
    t.deepEqual(texts(newLines(before, after)), [...expected]);
  });
}
