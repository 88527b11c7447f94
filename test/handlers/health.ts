/** health_check and wait_for on a real Consul, by checks that the test sets. */
import test from 'ava';
import { freshName, holds, until } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { FAILING, gateOf, setHealth, TTL, work } from './_tasks.js';

test('the next batch and the next step wait until a target is healthy', async (t) => {
  const [app, lb] = [freshName('app'), freshName('lb')];
  const f = fleet(t, {
    nodes: ['n1', 'n2', 'n3'],
    files: {
      web: `
events:
  go:
    ordered_tasks:
      - {service: ${app}, task: app, serial: 1, health_check: true, min_healthy_time: 600ms, healthy_deadline: 60s}
      - {service: ${lb}, task: balance}
tasks:${work('app')}${work('balance')}
`,
    },
  });
  await f.serve('n1', app, [], FAILING);
  await f.serve('n2', app, [], TTL);
  await f.serve('n3', lb);
  const id = await f.fire('go');
  const ended = f.ended(id);
  const done = async () =>
    ((await f.api.kvGet(`${f.prefix}progress_task_queue/${id}/0/n1`))?.value ?? '').includes('success');
  await until(done, 'the task of n1 to succeed', 20_000);
  await holds(() => f.starts().length === 1, 'n2 waits for n1 to be healthy', 400);
  await setHealth(f, 'n1', app, 'pass');
  await until(() => f.starts().length === 2, 'n2 to start', 20_000);
  t.is((await ended).event.Status, 'success');
  t.deepEqual(f.starts(), ['n1 app', 'n2 app', 'n3 balance']);
  t.deepEqual(await f.left(), []);
});

test('a target that is not healthy by healthy_deadline fails, and the next batch does not start', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events:
  go:
    ordered_tasks:
      - {service: ${app}, task: app, canary: 1, health_check: true, min_healthy_time: 100ms, healthy_deadline: 500ms}
tasks:${work('app')}
`,
    },
  });
  await f.serve('n1', app, [], FAILING);
  await f.serve('n2', app, [], TTL);
  const { event, nodes } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'error');
  t.regex(
    event.Reason ?? '',
    /n1: unhealthy: its checks did not pass for 100 ms within 500 ms; 1 not started/,
  );
  t.deepEqual(
    nodes.map(({ Node, Status }) => [Node, Status]),
    [['n1', 'error']],
  );
  t.deepEqual(f.starts(), ['n1 app']);
});

test('wait_for holds a step until so many of a service are passing, and ends it when they never are', async (t) => {
  const [app, db] = [freshName('app'), freshName('db')];
  const step = (keys: string) => `{ordered_tasks: [{service: ${app}, task: app, ${keys}}]}`;
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events:
  two: ${step(`wait_for: {service: ${db}, tag: main, passing: 2}`)}
  all: ${step(`wait_for: ${db}`)}
  never: ${step(`wait_for: {service: ${db}, passing: 3}, start_timeout: 200ms`)}
tasks:${work('app')}
`,
    },
  });
  await f.serve('n1', app);
  await f.serve('n1', db, ['main'], TTL);
  await f.serve('n2', db, ['main'], FAILING);
  for (const event of ['two', 'all']) {
    const before = f.starts().length;
    const id = await f.fire(event);
    const ended = f.ended(id);
    await gateOf(f, id, new RegExp(`^waiting for 2 passing of service ${db}.*, 1 now$`));
    t.is(f.starts().length, before);
    await setHealth(f, 'n2', db, 'pass');
    t.is((await ended).event.Status, 'success');
    t.is(f.starts().length, before + 1);
    await setHealth(f, 'n2', db, 'fail');
  }
  const { event } = await f.ended(await f.fire('never'));
  t.is(event.Status, 'timeout');
  t.regex(event.Reason ?? '', /waiting for 3 passing of service db-\S+, 1 now for 200 ms/);
});
