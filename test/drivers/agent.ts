/** The resident agent as a process, on the shared cluster. */
import test, { type ExecutionContext } from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processesWith } from '../support/guard.js';
import { startProxy } from '../faults/_proxy.js';
import {
  type Address,
  consulApi,
  freshName,
  freshPrefix,
  registerService,
  deregister,
  sharedCluster,
  until,
} from '../support/cluster.js';
import {
  metronome,
  type RunningMetronome,
  startMetronome,
  tempFolder,
  writeFiles,
} from '../support/metronome.js';
import { freePort } from '../support/ports.js';

interface Running {
  readonly agent: RunningMetronome;
  readonly prefix: string;
  readonly event: string;
  readonly service: string;
  readonly file: string;
  log(): string;
  /** Puts an event into the queue, and has the agent look at it. */
  fire(name?: string): Promise<string>;
  result(id: string): Promise<{ Status?: string; Reason?: string }>;
  ended(id: string): Promise<{ Status?: string; Reason?: string }>;
}

const node = () => sharedCluster().node('n1');

/** An agent with one event whose only step runs the script on n1. */
async function run(
  t: ExecutionContext,
  options: { script?: string; args?: string[]; at?: Address; more?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Running> {
  const { script = 'true', args = [], at = node(), more = '', env = {} } = options;
  const prefix = freshPrefix(t);
  const dir = tempFolder(t);
  const event = freshName('go');
  const service = freshName('app');
  const id = await registerService(node(), { name: service });
  t.teardown(() => deregister(node(), id));
  writeFiles(dir, {
    'web/task.yml': `
events: {${event}: {ordered_tasks: [{service: ${service}, task: work, grace: 1s}]}}
tasks: {work: {operations: [{execute: {script: '${script}'}}]}}
${more.replaceAll('EVENT', event)}
`,
  });
  const file = join(dir, 'web/task.yml');
  const agent = startMetronome(at, ['agent', ...args], {
    prefix,
    stateDir: join(dir, 'state'),
    files: [file],
    env,
    limit: 100_000,
  });
  let log = '';
  agent.child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')));
  t.teardown(async () => {
    agent.kill('SIGKILL');
    await agent.finished;
  });
  const api = consulApi(node());
  const result = async (id: string) =>
    JSON.parse((await api.kvGet(`${prefix}results/${id}`))?.value ?? '{}') as {
      Status?: string;
      Reason?: string;
    };
  await until(() => log.includes('the agent is ready'), 'the agent to be ready', 30_000);
  return {
    agent,
    prefix,
    event,
    service,
    file,
    log: () => log,
    fire: (name = event) => api.fireEvent(name),
    result,
    async ended(id) {
      await until(
        async () => !['inprogress', undefined].includes((await result(id)).Status),
        `event ${id} to end`,
        60_000,
      );
      return result(id);
    },
  };
}

test('idle, a tick is two requests and a blocking query one in five minutes: under 0.2 a second', async (t) => {
  const seen: string[] = [];
  const proxy = await startProxy(node());
  t.teardown(() => proxy.close());
  proxy.use({
    before({ method, url }) {
      // Events of other tests are handed over too.
      if (!url.includes('/event/list')) seen.push(`${method} ${url.split('?')[0]}`);
      return 'pass';
    },
  });
  await run(t, { at: proxy, args: ['--tick-interval', '1s'] });
  // What a start costs (name, `.keep`, the day's gc) is over when some ticks have passed.
  const ticks = () => seen.filter((one) => one.endsWith('/v1/txn')).length;
  const settled = ticks() + 3;
  await until(() => ticks() >= settled, 'three ticks', 30_000);
  const before = { ticks: ticks(), all: seen.length };
  await until(() => ticks() >= before.ticks + 5, 'five more ticks', 30_000);
  const during = seen.slice(before.all);
  const perTick = during.length / during.filter((one) => one.endsWith('/v1/txn')).length;
  // The last tick may have sent one of its two requests.
  t.true(perTick <= 2.2, during.join('\n'));
  t.true(perTick / 20 + 2 / 300 < 0.2, 'two hanging requests, each five minutes long');
});

test('an entry of schedules fires at its due second, however far the next tick is', async (t) => {
  const f = await run(t, {
    args: ['--tick-interval', '1h'],
    more: 'schedules: [{cron: "* * * * * *", event: EVENT}]',
  });
  const ids = await until(
    async () => {
      const keys = await consulApi(node()).kvKeys(`${f.prefix}results/`, '/');
      const fired = keys.filter((key) => /\/cron-[^/]+$/.test(key));
      return fired.length >= 3 ? fired : undefined;
    },
    'three due times to have fired',
    30_000,
  );
  // Seconds of the clock, each its own id.
  t.true(
    ids.every((key) => /cron-[0-9a-f]{8}-\d{8}T\d{6}Z$/.test(key)),
    ids.join(),
  );
});

test('SIGHUP: a broken file keeps the former in force and says so, a good one is taken', async (t) => {
  const f = await run(t);
  const good = `
events: {${f.event}x: {ordered_tasks: [{service: ${f.service}, task: work}]}}
tasks: {work: {operations: [{echo: hello}]}}
`;
  writeFileSync(f.file, good.replace(' task: work', ' tusk: work'));
  f.agent.kill('SIGHUP');
  // The lines come one by one.
  const refused = /not reloaded[^\n]*\n[^]*task\.yml:2:\d+: .*tusk/;
  await until(() => refused.test(f.log()), 'the agent to refuse the file', 30_000);
  t.is((await f.ended(await f.fire())).Status, 'success');
  writeFileSync(f.file, good);
  f.agent.kill('SIGHUP');
  await until(
    () => /reloaded: 1 schedule files?, 1 event/.test(f.log()),
    'the agent to take the file',
    30_000,
  );
  t.is((await f.ended(await f.fire(`${f.event}x`))).Status, 'success');
});

test('SIGTERM: the task at work ends by itself, then the agent', async (t) => {
  const f = await run(t, { script: 'sleep 1' });
  const id = await f.fire();
  await until(() => f.log().includes('starts here'), 'the task to start', 30_000);
  f.agent.kill('SIGTERM');
  const { code } = await f.agent.finished;
  t.is(code, 0, f.log());
  t.is((await f.result(id)).Status, 'success');
});

test('SIGTERM: a task that goes on beyond --stop-timeout is ended, and its event says why', async (t) => {
  const f = await run(t, { script: 'sleep 300', args: ['--stop-timeout', '1s'] });
  const id = await f.fire();
  await until(() => f.log().includes('starts here'), 'the task to start', 30_000);
  f.agent.kill('SIGTERM');
  const { code } = await f.agent.finished;
  t.is(code, 0, f.log());
  const result = await f.result(id);
  t.is(result.Status, 'error');
  t.regex(result.Reason ?? '', /told to stop/);
  t.deepEqual(processesWith(`METRONOME_EVENT_ID=${id}`), []);
});

test('Consul away: said once, and everything goes on when it is back', async (t) => {
  const proxy = await startProxy(node());
  t.teardown(() => proxy.close());
  const f = await run(t, { at: proxy });
  let refused = 0;
  proxy.use({
    before() {
      refused += 1;
      return 'cut';
    },
  });
  // Blocking queries that hang already are answered by the event itself, and the next ones are cut.
  const id = await f.fire();
  await until(() => refused > 4, 'several tries', 30_000);
  proxy.use({});
  t.is((await f.ended(id)).Status, 'success');
  // A query that hung already may be answered in between, and another find the outage again.
  t.true((f.log().match(/trying again until it does/g)?.length ?? 0) <= 2, f.log());
  t.regex(f.log(), /Consul answers again/);
});

test('an index that went back (Consul restored) is begun anew', async (t) => {
  const proxy = await startProxy(node());
  t.teardown(() => proxy.close());
  const asked: string[] = [];
  let lies = 0;
  proxy.use({
    instead({ url }) {
      if (!/inbox(\/|%2F)/.test(url) || !url.includes('wait=')) return undefined;
      const index = /[?&]index=(\d+)/.exec(url)?.[1] ?? '';
      asked.push(index);
      if (Number(index) <= 1 || lies > 0) return undefined;
      lies += 1;
      return { status: 404, headers: { 'x-consul-index': '1' }, body: '' };
    },
  });
  const f = await run(t, { at: proxy });
  await until(() => lies > 0 && asked.indexOf('', 1) > 0, 'a query without index after the lie', 30_000);
  t.is((await f.ended(await f.fire())).Status, 'success');
});

test('/healthz and /metrics on the loopback address; a port in use is said', async (t) => {
  const port = await freePort();
  const f = await run(t, { args: [`--http-port=${port}`] });
  t.is((await f.ended(await f.fire())).Status, 'success');
  const health = await fetch(`http://127.0.0.1:${port}/healthz`);
  t.is(health.status, 200);
  t.like(await health.json(), { healthy: true, node: 'n1', scheduleProblems: 0 });
  const text = await until(async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return /metronome_tasks_total\{status="success"\} 1\n/.test(metrics) && metrics;
  }, 'the task to be counted');
  t.regex(text, /^metronome_consul_up 1$/m);
  t.regex(text, /^metronome_events_total\{outcome="queued"\} 1$/m);
  for (const line of text.trim().split('\n')) t.regex(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [\d.e+]+)$/);
  const second = await metronome(node(), ['agent', `--http-port=${port}`], {
    prefix: f.prefix,
    stateDir: tempFolder(t),
  });
  t.is(second.code, 2);
  t.regex(second.stderr, /http-port \d+ on 127\.0\.0\.1 cannot be opened.*choose another/);
});
