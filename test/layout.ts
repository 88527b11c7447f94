import test from 'ava';
import { faultOf, importProblems, importsOf, topLevelProblems } from './support/layout.js';
import { root } from './support/project.js';

test('imports run one way', (t) => {
  t.deepEqual(importProblems(root), []);
});

test('the top level has only what the layout says', (t) => {
  t.deepEqual(topLevelProblems(root), []);
});

test('every form of import is found, with its line', (t) => {
  const text = [
    "import a from './a.js';",
    'import {',
    '  b,',
    "} from 'node:fs';",
    "export type { C } from '../c.js';",
    "import 'd';",
    "const e = await import('e/deep');",
    "// a word from 'nowhere'",
  ].join('\n');
  t.deepEqual(
    importsOf('src/x.ts', text).map(({ line, what }) => `${line} ${what}`),
    ['1 ./a.js', '4 node:fs', '5 ../c.js', '6 d', '7 e/deep'],
  );
});

const cases: readonly [file: string, what: string, good: boolean][] = [
  ['src/store/queue.ts', 'consul', true],
  ['src/commands/status.ts', 'consul', false],
  ['src/local/lock.ts', 'proper-lockfile', true],
  ['src/local/spool.ts', 'proper-lockfile', false],
  ['src/drivers/agent.ts', 'node-cron', true],
  ['src/run/advance.ts', 'node:fs', false],
  ['src/run/advance.ts', 'valibot', false],
  ['src/run/advance.ts', '../schedule/types.js', true],
  ['src/schedule/load.ts', '../run/plan.js', false],
  ['src/store/runs.ts', '../operations/execute.js', false],
  ['src/store/runs.ts', '../errors.js', true],
  ['handlers/push.ts', '../src/store/queue.js', true],
  ['src/store/queue.ts', '../../handlers/push.js', false],
  ['src/cli.ts', './drivers/agent.js', true],
  ['src/utils.ts', './errors.js', false],
];

for (const [file, what, good] of cases) {
  test(`${file} ${good ? 'may' : 'may not'} import ${what}`, (t) => {
    t.is(faultOf({ file, line: 1, what }) === undefined, good);
  });
}
