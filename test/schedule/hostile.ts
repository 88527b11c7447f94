import test from 'ava';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { formatProblem } from '../../src/schedule/excerpt.js';
import { parseSchedule } from '../../src/schedule/parse.js';
import { substitute } from '../../src/schedule/variables.js';

/** Whatever the text: no exception, a schedule exactly when there is no error, and every place within the text. */
function holds(text: string): void {
  const { schedule, problems } = parseSchedule(text, '/etc/pattern/task.yml');
  const errors = problems.filter(({ severity }) => severity === 'error');
  if ((schedule === undefined) !== errors.length > 0)
    throw new Error(`schedule and errors: ${JSON.stringify(problems)}`);
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  for (const problem of problems) {
    const { line, column } = problem.place;
    const source = lines[line - 1];
    if (source === undefined || column < 1 || column > source.length + 1)
      throw new Error(`${line}:${column} is not in the text: ${problem.message}`);
    if (/[\n\r]/.test(problem.message)) throw new Error(`a message of several lines: ${problem.message}`);
    const shown = formatProblem(problem, text, { colour: false, width: 80 });
    if (/[\u0000-\u001f\u007f]/.test(shown.join('')))
      throw new Error('a control character would reach the terminal');
  }
}

const word = fc.oneof(
  fc.constantFrom(
    'events',
    'tasks',
    'schedules',
    'default',
    'step',
    'ordered_tasks',
    'task',
    'operations',
    'execute',
    'script',
    'when',
    'steps',
    'window',
    'serial',
    'rescue',
    'wait-for',
    'tcp',
    'echo',
    'reboot',
    'concurrency',
    'cron',
    'event',
    'variables',
    'buffer_period',
    'http',
    'url',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    word,
    fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e300, '5m', '25%', '0 3 * * *'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(word, tie('value'), { maxKeys: 4 }),
  ),
}));

test('any text', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => holds(text)),
    { numRuns: 500 },
  );
  t.pass();
});

test('any text made of what YAML is made of', (t) => {
  const piece = fc.constantFrom(
    'a',
    'events',
    ':',
    ': ',
    '- ',
    '\n',
    '  ',
    '\t',
    '[',
    ']',
    '{',
    '}',
    ',',
    '&a ',
    '*a',
    '<<: ',
    '!t ',
    '|\n',
    '>',
    '"',
    "'",
    '#',
    '---\n',
    '...\n',
    '%',
    '? ',
    '\r\n',
    '\uFEFF',
    '\u0000',
    '~',
    'é',
    '😀',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => holds(pieces.join(''))),
    { numRuns: 2000 },
  );
  t.pass();
});

test('any data of roughly the right shape', (t) => {
  fc.assert(
    fc.property(value, (data) => holds(stringify(data))),
    { numRuns: 1000 },
  );
  t.pass();
});

test('substitution ends', (t) => {
  const name = fc.constantFrom('a', 'b', 'c');
  const text = fc
    .array(
      fc.oneof(
        name,
        name.map((one) => `{{${one}}}`),
        fc.constant('{{'),
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      text,
      fc.dictionary(name, text),
      (start, variables) => substitute(start, variables, {}).length < 64 * 1024 * 1024,
    ),
    { numRuns: 50 },
  );
  t.pass();
});
