import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { freshName } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { drive, operator, result } from './_cli.js';

const text = (app: string) => `
events:
  deploy:
    ordered_tasks:
      - {service: ${app}, task: prepare, run_once: true}
      - {service: ${app}, task: install}
      - {service: ${app}, task: check, when: {steps: {prepare: [success]}}}
tasks:
  prepare:
    operations:
      - execute: {script: 'NOTE

            note start'}
  install:
    operations:
      - execute:
          script: |
            NOTE
            note start
            note "$METRONOME_DATA_VERSION"
            [ "$METRONOME_NODE" = n2 ] || exit 0
            [ -e "$(dirname "$PWD")/mended" ] || exit 28
  check:
    operations:
      - execute: {script: 'NOTE

            note start'}
`;

test('rerun --failed goes on where it failed: nobody who succeeded runs again', async (t) => {
  const app = freshName('app');
  const f = fleet(t, { files: { web: text(app) } });
  for (const node of ['n1', 'n2', 'n3']) await f.serve(node, app);
  const run = operator(t, f);
  const stop = drive(t, f);
  const fired = await run(['fire', 'deploy', '--data', 'version=7', '--wait', '--json']);
  t.is(fired.code, 1);
  const id = fired.json<{ ID: string }>().ID;
  const before = f.starts();

  // Not mended yet: it fails again, on n2 alone.
  const vain = await run(['rerun', id, '--failed', '--wait', '--json']);
  t.is(vain.code, 1, vain.err);
  t.deepEqual(f.starts().slice(before.length), ['n2 install']);
  writeFileSync(join(f.dir, 'mended'), '');
  const again = await run(['rerun', vain.json<{ ID: string }>().ID, '--failed', '--wait', '--json']);
  t.is(again.code, 0, again.err);
  t.deepEqual(f.starts().slice(before.length).toSorted(), [
    'n1 check',
    'n2 check',
    'n2 install',
    'n2 install',
    'n3 check',
  ]);
  t.is(f.ledger().filter((entry) => entry.what === '7').length, 5, 'with the data of the first');
  const newest = again.json<{ ID: string; RerunOf: string }>();
  t.is(newest.RerunOf, vain.json<{ ID: string }>().ID);
  t.like((await result(f, newest.ID)).Actions, [
    { what: `rerun --failed of ${newest.RerunOf}`, user: 'alice' },
  ]);
  t.regex((await run(['status', newest.ID])).out, /a rerun of .*\n(.*\n)*1 step not run again/);
  const nothing = await run(['rerun', newest.ID, '--failed']);
  t.is(nothing.code, 2);
  t.regex(nothing.err, /nothing failed/);

  const from = await run(['rerun', id, '--from', '2', '--wait']);
  t.is(from.code, 0, from.err);
  t.deepEqual(f.starts().slice(-3).toSorted(), ['n1 check', 'n2 check', 'n3 check']);
  t.is((await run(['rerun', id, '--from', '3'])).code, 2);
  await stop();

  // The files have changed since: numbers would mean other steps.
  const changed = join(f.dir, 'changed', 'web', 'task.yml');
  mkdirSync(join(f.dir, 'changed', 'web'), { recursive: true });
  writeFileSync(changed, text(app).replace('task: install}', 'task: check}'));
  const refused = await run(['rerun', id, '--failed'], { files: [changed] });
  t.is(refused.code, 2);
  t.regex(refused.err, /step 1 was install on \S+ \(pattern web\), is check on \S+ \(pattern web\) now/);
  t.deepEqual(await f.left(), []);
});
