import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { freshName, until } from '../support/cluster.js';
import { type Fleet, fleet } from '../support/fleet.js';
import { drive, operator, result, widest } from './_cli.js';

/** A task that waits for a file, so that a run can be looked at while it runs. */
function held(t: ExecutionContext): { f: Fleet; app: string; go(): void } {
  const app = freshName('app');
  const gate = () => join(f.dir, 'go');
  const f: Fleet = fleet(t, {
    files: {
      web: `
events:
  configure:
    ordered_tasks:
      - {service: ${app}, task: prepare}
      - {service: ${app}, task: held}
      - {service: ${app}, task: last}
  later:
    ordered_tasks:
      - {service: ${app}, task: last}
tasks:
  prepare:
    operations:
      - echo: ready
  held:
    operations:
      - execute:
          script: |
            NOTE
            [ "$METRONOME_NODE" = n1 ] && exit 0
            note waits
            while [ ! -e "$(dirname "$LEDGER")/go" ]; do sleep 0.05; done
            echo cannot go on; exit 3
  last:
    operations:
      - echo: over
`,
    },
  });
  return { f, app, go: () => existsSync(gate()) || writeFileSync(gate(), '') };
}

test('status tells what runs, what it waits for, what waits behind it, and why it failed', async (t) => {
  const { f, app, go } = held(t);
  await f.serve('n1', app);
  await f.serve('n2', app);
  const run = operator(t, f);
  drive(t, f);
  t.teardown(go);
  const { ID: id } = (await run(['fire', 'configure', '--json'])).json<{ ID: string }>();
  const { ID: next } = (await run(['fire', 'later', '--json'])).json<{ ID: string }>();
  await until(() => f.ledger().some((entry) => entry.what === 'waits'), 'the task on n2 to begin', 60_000);
  const waiting = await until(
    async () => {
      const seen = (await run(['status', id, '--json'])).json<{ Waiting: string }>();
      return /n1 done/.test(seen.Waiting) ? seen.Waiting : undefined;
    },
    'n1 to be done',
    60_000,
  );
  t.regex(waiting, new RegExp(`^step 1 held on service ${app}: waiting for n2, .*; n1 done$`));

  const all = (await run(['status', '--json'])).json<{
    running: { ID: string; Status: string; StepResults: { Status: string }[] }[];
    queued: { ID: string; Place: number; Waiting: string }[];
  }>();
  t.like(all.running, [{ ID: id, Status: 'inprogress' }]);
  t.deepEqual(
    all.running[0]?.StepResults.map((step) => step.Status),
    ['success', 'inprogress', 'waiting'],
  );
  t.like(all.queued, [{ ID: next, Place: 1, Waiting: `waiting for configure (${id}) to end` }]);

  const table = await run(['status'], { terminal: 80 });
  t.true(widest(table.out) <= 80, table.out);
  t.regex(table.out, /\[#+-+\] 1 of 3 steps, 1 of 2 nodes/);
  const watch = new AbortController();
  const watched = run(['status', '--watch', '--json'], {
    signal: watch.signal,
    onOut: (text) => {
      if ((JSON.parse(text) as { finished: unknown[] }).finished.length === 2) watch.abort();
    },
  });
  const awaited = run(['status', id, '--wait']);
  go();
  t.is((await awaited).code, 1);
  t.is((await result(f, next)).Status, 'success');
  t.is((await watched).code, 130);

  // The beginning of an id is enough.
  const failed = await run(['status', id.slice(0, 8)], { terminal: 80 });
  t.is(failed.code, 0);
  t.true(widest(failed.out) <= 80, failed.out);
  t.regex(failed.out, /^configure \S+: error after/);
  t.regex(failed.out, /n2: error, .*exited with 3/);
  t.regex(failed.out, /fire by alice on /);
  t.regex(failed.out, /1 step not run/);
  t.regex((await run(['status', '--last'])).out, new RegExp(`later ${next}: success`));

  const listed = (await run(['history'], { terminal: 80 })).out;
  t.true(widest(listed) <= 80, listed);
  t.regex(listed, /^ID +EVENT +STATUS +STARTED +TOOK +REASON\n/);
  const history = await run(['history', '--status', 'error', '--json']);
  t.like(history.json<{ events: object[] }>().events, [{ ID: id, Status: 'error', Name: 'configure' }]);
  t.is(
    (await run(['history', '--since', '2020-01-01', '--event', 'later', '--json'])).json<{ total: number }>()
      .total,
    1,
  );
  t.is((await run(['history', '--since', '1999999999'])).code, 2);
  t.regex((await run(['history', '--status', 'eror'])).err, /did you mean "error"/);
  t.is((await run(['status', 'nothing-like-it'])).code, 2);
  t.is((await run(['history', '--event', 'none'])).out, 'no event has ended that fits\n');
});

test('a run of a hundred nodes is readable: by status, failures by name, all with --nodes', async (t) => {
  const f = fleet(t, { nodes: ['n1'], files: {} });
  const run = operator(t, f);
  const id = randomUUID();
  const at = (s: number) => new Date(Date.UTC(2026, 0, 2, 3, 4, s)).toISOString();
  const put = (key: string, value: object) => f.api.kvPut(`${f.prefix}results/${key}`, JSON.stringify(value));
  const nodes = Array.from({ length: 100 }, (_, no) => `web${String(no + 1).padStart(3, '0')}`);
  const bad = new Set(['web007', 'web042', 'web093']);
  const reason =
    'execute at task.yml:12 exited with 28: No space left on device while unpacking /srv/app.tar';
  await put(id, {
    ID: id,
    Name: 'deploy',
    Status: 'error',
    Reason: `step 0 install: web007: ${reason} (and 2 more)`,
    StartedAt: at(0),
    FinishedAt: at(50),
    QueuedAt: at(0),
    Steps: 2,
  });
  await put(`${id}/0`, {
    EventID: id,
    No: 0,
    Name: 'install',
    Status: 'error',
    Service: 'web',
    Reason: `web007: ${reason} (and 2 more)`,
    StartedAt: at(0),
    FinishedAt: at(50),
  });
  await Promise.all(
    nodes.map((node) =>
      put(`${id}/0/${node}`, {
        EventID: id,
        No: 0,
        Node: node,
        Status: bad.has(node) ? 'error' : 'success',
        StartedAt: at(1),
        FinishedAt: at(40),
        ...(bad.has(node) ? { Reason: reason } : {}),
      }),
    ),
  );
  const { out } = await run(['status', id], { terminal: 80 });
  t.true(widest(out) <= 80, out);
  t.true(out.split('\n').length < 24, `a screenful:\n${out}`);
  for (const node of bad) t.regex(out, new RegExp(`${node}: error`));
  t.regex(out, /success: web001, web002, .* and 91 more/);
  const long = (await run(['status', id, '--nodes'], { terminal: 80 })).out;
  for (const node of nodes) t.true(long.includes(`${node}: `), node);
  const narrow = (await run(['status'], { terminal: 60 })).out;
  t.true(widest(narrow) <= 60, narrow);
  const times = (await run(['history', '--utc'])).out;
  t.regex(times, /01-02 03:04:00/);
});
