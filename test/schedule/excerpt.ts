import test from 'ava';
import { formatProblem, placeText, problemToJson } from '../../src/schedule/excerpt.js';
import type { Problem } from '../../src/schedule/types.js';

const problem = (line: number, column: number, more: Partial<Problem> = {}): Problem => ({
  place: { file: 'task.yml', line, column },
  severity: 'error',
  path: 'events.a',
  message: 'unknown key "tsak"',
  hint: 'did you mean "task"?',
  ...more,
});
const plain = { colour: false, width: 80 };

test('place, message, source, caret and hint', (t) => {
  t.deepEqual(formatProblem(problem(2, 3), '\uFEFFevents:\r\n  tsak: b\r\n', plain), [
    'task.yml:2:3: error: unknown key "tsak" (events.a)',
    '  2 |   tsak: b',
    '    |   ^',
    '    = did you mean "task"?',
  ]);
});

test('without a source, a path, a line', (t) => {
  t.deepEqual(formatProblem(problem(1, 1, { path: '' }), undefined, plain), [
    'task.yml:1:1: error: unknown key "tsak"',
    '    = did you mean "task"?',
  ]);
  t.is(placeText({ file: 'command line', line: 0, column: 0 }), 'command line');
  t.deepEqual(formatProblem(problem(99, 1), 'a\n', plain).length, 2);
});

test('a long line is cut around the place', (t) => {
  const source = `${'a'.repeat(200)}HERE${'b'.repeat(200)}`;
  const [, text = '', caret = ''] = formatProblem(problem(1, 201), source, { colour: false, width: 60 });
  t.true(text.length <= 60);
  t.is(text[caret.indexOf('^')], 'H');
  t.regex(text, /…a+HEREb+…$/);
});

test('wide characters, tabs and escape sequences keep the caret in place', (t) => {
  const [, text = '', caret = ''] = formatProblem(problem(1, 5), '\t漢字\u001b[x', plain);
  t.is(text, '  1 |  漢字·[x');
  // One tab, two wide characters of two cells each.
  t.is(caret, `    | ${' '.repeat(6)}^`);
});

test('hostile names do not reach the terminal', (t) => {
  const [line = ''] = formatProblem(
    problem(1, 1, { message: 'found \u001b[31m', path: '\u202e' }),
    undefined,
    plain,
  );
  t.false(/[\u001b\u202e]/.test(line));
});

test('colour only when wanted', (t) => {
  t.true(formatProblem(problem(1, 1), 'a', { colour: true, width: 80 }).join('').includes('\u001b[1;31m'));
});

test('as JSON', (t) => {
  t.deepEqual(problemToJson(problem(2, 3)), {
    file: 'task.yml',
    line: 2,
    column: 3,
    severity: 'error',
    path: 'events.a',
    message: 'unknown key "tsak"',
    hint: 'did you mean "task"?',
  });
});
