import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { freshName } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { drive, operator } from './_cli.js';

test('logs come from all nodes by time, from one by name, and while tasks run with -f', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    files: {
      web: `
events:
  e:
    ordered_tasks:
      - {service: ${app}, task: first}
      - {service: ${app}, task: second}
tasks:
  first:
    operations:
      - execute:
          script: |
            echo "one on $METRONOME_NODE"
            while [ ! -e "$(dirname "$PWD")/go" ]; do sleep 0.05; done
            echo "two on $METRONOME_NODE"
  second:
    operations:
      - execute: {script: 'printf "\\033[31mred\\n"; exit 1'}
`,
    },
  });
  await f.serve('n1', app);
  await f.serve('n2', app);
  const run = operator(t, f);
  drive(t, f);
  const go = () => writeFileSync(join(f.dir, 'go'), '');
  t.teardown(go);
  const { ID: id } = (await run(['fire', 'e', '--json'])).json<{ ID: string }>();
  let seen = '';
  let early: string | undefined;
  const followed = await run(['logs', id, '-f'], {
    onOut(text) {
      seen += text;
      // Partial logs arrive before the tasks have ended: only then are they let go on.
      if (early === undefined && /one on n1/.test(seen) && /one on n2/.test(seen)) {
        early = seen;
        go();
      }
    },
  });
  t.is(followed.code, 0, followed.err);
  t.notRegex(early ?? '', /two on/);
  t.regex(followed.err, /event e \(\S+\) ended: error/);
  for (const text of ['one on n1', 'one on n2', 'two on n1', 'two on n2'])
    t.is(followed.out.split(text).length, 2, `${text} once:\n${followed.out}`);

  const all = await run(['logs', id, '--json']);
  const lines = all.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { Step: number; Node: string; Time: string; Text: string });
  t.deepEqual(
    lines.map((line) => line.Time),
    lines.map((line) => line.Time).toSorted(),
  );
  t.deepEqual([...new Set(lines.map((line) => `${line.Node} ${line.Step}`))].toSorted(), [
    'n1 0',
    'n1 1',
    'n2 0',
    'n2 1',
  ]);
  const one = await run(['logs', id.slice(0, 8), '--step', '0', '--node', 'n2', '--tail', '2']);
  t.is(one.out.trimEnd().split('\n').length, 2);
  t.regex(
    one.out,
    /^n2 0 \| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} two on n2\nn2 0 \| .*finished with success/,
  );
  t.false((await run(['logs', id])).out.includes('\u001b'));
  const wrong = await run(['logs', id, '--node', 'n22']);
  t.is(wrong.code, 2);
  t.regex(wrong.err, /no log of node "n22", did you mean "n2"\?\n {2}there are logs of: n1, n2/);
  t.is((await run(['logs', id, '--step', '7'])).code, 2);
});
