import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { verify } from '../../src/local/signature.js';
import { freshName, until } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { drive, operator, result } from './_cli.js';

/** Each test has a service of its own: they run side by side on one catalog. */
const file = (app: string) => `
events:
  deploy:
    ordered_tasks:
      - {service: ${app}, task: install}
  broken:
    ordered_tasks:
      - {service: ${app}, task: fails}
  late:
    ordered_tasks:
      - {service: ${app}, task: sleeps, step_timeout: 1}
  nobody:
    ordered_tasks:
      - {service: ${app}-none, task: install, start_timeout: 0}
tasks:
  install:
    operations:
      - execute: {script: 'NOTE

            note "$METRONOME_DATA_VERSION"'}
  fails:
    operations:
      - execute: {script: 'echo no space left; exit 28'}
  sleeps:
    operations:
      - execute: {script: 'sleep 60'}
`;

test('fire queues an event that a schedule file defines, with data and who did it', async (t) => {
  const app = freshName('app');
  const f = fleet(t, { files: { web: file(app) } });
  await f.serve('n1', app);
  const run = operator(t, f);
  const before = await f.api.kvKeys(f.prefix);

  const unknown = await run(['fire', 'deplyo']);
  t.is(unknown.code, 2);
  t.regex(
    unknown.err,
    /no schedule file defines event "deplyo", did you mean "deploy"\?\n.*broken, deploy, late/,
  );
  const dry = await run(['fire', 'deploy', '--dry-run']);
  t.is(dry.code, 0, dry.err);
  t.regex(dry.out, /install.*\n(.*\n)*nothing was queued/);
  t.deepEqual(await f.api.kvKeys(f.prefix), before, 'nothing is written');
  const bad = await run(['fire', 'deploy', '--data', 'a b=c']);
  t.is(bad.code, 2);

  drive(t, f);
  const fired = await run([
    'fire',
    'deploy',
    '--data',
    'version=$(touch x); 1',
    '--reason',
    'friday',
    '--json',
  ]);
  t.is(fired.code, 0, fired.err);
  const { ID: id, ...rest } = fired.json<{ ID: string }>();
  t.deepEqual(rest, { Name: 'deploy', Outcome: 'queued' });
  const ended = await result(f, id);
  t.is(ended.Status, 'success');
  t.like(ended.Actions, [{ what: 'fire', user: 'alice', reason: 'friday' }]);
  t.is(f.ledger()[0]?.what, '$(touch', 'data come as text of the environment, never as text of the script');

  const again = await run(['fire', 'deploy', '--id', id]);
  t.is(again.out, `deploy ${id}: known\n`);
});

test('--wait shows how it goes, and its exit code is the run’s', async (t) => {
  const app = freshName('app');
  const f = fleet(t, { files: { web: file(app) } });
  await f.serve('n2', app);
  const run = operator(t, f);
  drive(t, f);
  const good = await run(['fire', 'deploy', '--data', 'version=2', '--wait', '--utc']);
  t.is(good.code, 0, good.err);
  t.regex(
    good.out,
    /^deploy \S+: queued\n\d\d:\d\d:\d\d step 0 install starts on n2\n(.*\n)*\S+ step 0 install: n2 success after .*\n\S+ step 0 install ended: success\ndeploy \S+: success\n$/,
  );
  const failed = await run(['fire', 'broken', '--wait']);
  t.is(failed.code, 1);
  t.regex(failed.out, /step 0 fails: n2 error after .*exited with 28\n/);
  t.regex(failed.err, /metronome logs \S+ shows/);
  const late = await run(['fire', 'late', '--wait', '--json']);
  t.is(late.code, 4);
  t.like(late.json(), { Name: 'late', Status: 'timeout' });
  const skipped = await run(['fire', 'nobody', '--wait', '--json']);
  t.is(skipped.code, 0);
  t.like(skipped.json(), { Status: 'skip' });
  const terminal = await run(['fire', 'deploy', '--wait'], { terminal: 80 });
  t.is(terminal.code, 0);
  t.regex(terminal.out, /STEP {2}TASK/);
});

test('Ctrl-C ends the waiting, not the run', async (t) => {
  const app = freshName('app');
  const f = fleet(t, { files: { web: file(app) } });
  await f.serve('n3', app);
  const run = operator(t, f);
  drive(t, f);
  const stop = new AbortController();
  const called = await run(['fire', 'late', '--wait'], {
    signal: stop.signal,
    onOut: (text) => {
      if (/starts on n3/.test(text)) stop.abort();
    },
  });
  t.is(called.code, 130);
  const id = /late (\S+): queued/.exec(called.out)?.[1] ?? '';
  t.regex(called.err, new RegExp(`the event goes on: metronome status ${id}`));
  t.is((await result(f, id)).Status, 'timeout');
});

test('--consul-event sends a user event: signed with an event-key, else with the token as its payload', async (t) => {
  const app = freshName('app');
  const f = fleet(t, { files: { web: file(app) } });
  const run = operator(t, f);
  const name = freshName('event');
  const sent = await run(['fire', name, '--consul-event', '--json', '--event-key', 'a secret key'], {
    files: [],
  });
  t.is(sent.code, 0, sent.err);
  t.notRegex(sent.out + sent.err, /a secret key/);
  const event = await until(async () => {
    const events = await f.api.request<{ Payload: string }[]>('GET', `event/list?name=${name}`);
    return events[0];
  }, 'the event to arrive');
  const payload = Buffer.from(event.Payload, 'base64').toString();
  const verified = verify(name, payload, 'a secret key', Date.now());
  t.true(verified.ok);
  t.is(verified.ok && verified.id, sent.json<{ ID: string }>().ID);
  const data = await run(['fire', 'deploy', '--consul-event', '--data', 'a=b']);
  t.is(data.code, 2);
});

test('a broken schedule file is named, and nothing is queued', async (t) => {
  const app = freshName('app');
  const f = fleet(t, { files: { web: file(app) } });
  const run = operator(t, f);
  const broken = join(f.dir, 'web', 'broken.yml');
  writeFileSync(broken, 'events: [1]\n');
  const { code, err } = await run(['fire', 'deploy'], { files: [broken] });
  t.is(code, 2);
  t.regex(err, /broken\.yml:1:\d+/);
  t.deepEqual(await f.api.kvKeys(`${f.prefix}event_queue/`), []);
});
