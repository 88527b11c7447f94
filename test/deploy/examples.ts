/**
 * The examples of deploy/examples, run on a real Consul. What is changed for that: the names of the services, which
 * other tests must not meet, and times that nobody waits for. The scripts beside them are stand-ins, as they say.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { fireDue } from '../../handlers/cron.js';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { nextDue } from '../../src/run/cron.js';
import { cronFields } from '../../src/schedule/cron-fields.js';
import { push } from '../../src/store/queue.js';
import { gateOf, say } from '../handlers/_tasks.js';
import { freshName, until } from '../support/cluster.js';
import { fleet, type Fleet } from '../support/fleet.js';
import { metronome } from '../support/metronome.js';
import { root } from '../support/project.js';

const folder = join(root, 'deploy/examples');
const names = readdirSync(folder);

test('every example is in order, strictly, and names its schema', async (t) => {
  const files = names.map((name) => join(folder, name, 'task.yml'));
  const { code, stdout } = await metronome(null, ['validate', '--strict', ...files]);
  t.is(code, 0, stdout);
  t.true(names.length >= 5);
  for (const file of files)
    t.true(
      readFileSync(file, 'utf8').startsWith('# yaml-language-server: $schema=../../task.schema.json\n'),
      file,
    );
});

interface Changed {
  readonly f: Fleet;
  /** Service of the example -> its name in this test. */
  readonly services: Readonly<Record<'database' | 'application' | 'load-balancer', string>>;
  /** Lines of a file in the example's folder. */
  lines(file: string): string[];
}

function example(
  t: ExecutionContext,
  name: string,
  nodes: readonly string[],
  changes: readonly (readonly [string, string])[],
): Changed {
  const services = {
    database: freshName('db'),
    application: freshName('app'),
    'load-balancer': freshName('lb'),
  };
  let text = readFileSync(join(folder, name, 'task.yml'), 'utf8').replace(
    /\b(database|application|load-balancer)\b(?!\.sh)/g,
    (word) => services[word as keyof typeof services],
  );
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
    text = text.replace(from, to);
  }
  const f = fleet(t, { nodes, files: { [name]: text } });
  const own = join(f.dir, name);
  cpSync(join(folder, name), own, { recursive: true, filter: (path) => !path.endsWith('.yml') });
  return {
    f,
    services,
    lines: (file) => readFileSync(join(own, file), 'utf8').trim().split('\n'),
  };
}

/** As `metronome fire EVENT --data k=v` does. */
async function fire(f: Fleet, event: string, group: string, data: Record<string, string>): Promise<string> {
  const id = freshName(event);
  const client = f.nodes[0]?.client;
  if (client === undefined) throw new Error('a fleet without nodes');
  const queued = { ID: id, Name: event, Payload: '', LTime: 0, Data: data, Group: group, Limit: 1, Seq: 0 };
  await push(client, [{ ...queued, QueuedAt: { at: Date.now(), by: 'n1' } }]);
  return id;
}

test('rolling-deploy: canary, batches, and the way back when the new version is broken', async (t) => {
  const { f, services, lines } = example(
    t,
    'rolling-deploy',
    ['n1', 'n2', 'n3', 'n4'],
    [
      ['min_healthy_time: 30s', 'min_healthy_time: 300ms'],
      ['retry_delay: 10s', 'retry_delay: 0'],
    ],
  );
  for (const name of ['n1', 'n2', 'n3']) await f.serve(name, services.application);
  await f.serve('n4', services.database);
  await f.serve('n4', services['load-balancer']);
  const versions = () => ['n1', 'n2', 'n3'].map((name) => lines(`version-${name}`)[0]);

  const good = await f.ended(await fire(f, 'deploy', 'deploys', { version: '1.4.2' }));
  t.is(good.event.Status, 'success');
  t.deepEqual(versions(), ['1.4.2', '1.4.2', '1.4.2']);
  const update = good.nodes.filter(({ No }) => No === 1);
  const canary = update.find(({ Node }) => Node === 'n1');
  for (const other of update.filter((one) => one !== canary))
    t.true((canary?.FinishedAt ?? '') <= (other.StartedAt ?? ''), 'the canary comes first');

  const { event, steps, nodes } = await f.ended(
    await fire(f, 'deploy', 'deploys', { version: '1.5.0-broken' }),
  );
  t.is(event.Status, 'success');
  t.regex(event.Rescued ?? '', /^step 1 update: n1: .*exited with 1; 2 not started$/);
  t.deepEqual(
    steps.map(({ Name, Status }) => `${Name} ${Status}`),
    ['migrate success', 'update error', 'roll_back success', 'report success'],
  );
  t.is(nodes.find(({ No, Node }) => No === 1 && Node === 'n1')?.Retried, 1);
  t.deepEqual(versions(), ['1.4.2', '1.4.2', '1.4.2']);
  t.deepEqual(await f.left(), []);
});

test('database-fail-over: the standby becomes the primary when an operator says so', async (t) => {
  const { f, services, lines } = example(t, 'database-fail-over', ['n1', 'n2', 'n3'], []);
  await f.serve('n1', services.database, ['primary']);
  await f.serve('n2', services.database, ['standby']);
  await f.serve('n3', services.application);
  const id = await f.fire('fail-over');
  const ended = f.ended(id);
  await gateOf(f, id, /^waiting for approval$/);
  t.deepEqual(lines('fail-over.log'), ['n2 check', 'n1 stop']);
  await say(f, id, { approve: { 2: 1 } });
  t.is((await ended).event.Status, 'success');
  t.deepEqual(lines('fail-over.log'), ['n2 check', 'n1 stop', 'n2 promote', 'n3 reconnect']);
  const found = await f.api.service(services.database);
  t.deepEqual(
    found.map(({ Node, ServiceTags }) => [Node, ...ServiceTags]),
    [['n2', 'primary']],
  );
});

test('nightly-backup: due by the clock, once, and only within the window', async (t) => {
  const { f, services, lines } = example(t, 'nightly-backup', ['n1', 'n2'], []);
  await f.serve('n1', services.database, ['standby']);
  await f.serve('n2', services.database, ['standby']);
  const HOUR = 3_600_000;
  const due = nextDue(cronFields('30 2 * * *'), 'Europe/Berlin', Date.now() + 48 * HOUR) ?? 0;
  /** Clocks that show this now, and go on. */
  const at = (then: number) => {
    const ahead = then - Date.now();
    return f.nodes.map((node) => node.context({ now: () => Date.now() + ahead }));
  };
  for (const context of at(due - HOUR)) t.deepEqual(await fireDue(context), []);
  // All were down at night, and are back at eight.
  const fired = (await Promise.all(at(due + 5.5 * HOUR).map(fireDue))).flat();
  t.is(fired.length, 1);
  const [id = ''] = fired;
  for (const context of at(due + 5.5 * HOUR)) t.deepEqual((await dispatch(context)).admitted, []);
  // The next night.
  const night = at(due + 23 * HOUR);
  await until(
    async () => {
      for (const context of night) {
        await dispatch(context);
        await execute(context);
      }
      const text = (await f.api.kvGet(`${f.prefix}results/${id}`))?.value ?? '{}';
      return (JSON.parse(text) as { FinishedAt?: string }).FinishedAt !== undefined;
    },
    'the backup to end',
    60_000,
  );
  t.regex((await f.api.kvGet(`${f.prefix}results/${id}`))?.value ?? '', /"Status":"success"/);
  t.deepEqual(lines('backup.log').slice(0, 2), ['n1 dump full', 'n1 upload full']);
  t.deepEqual(lines('backup.log').slice(2).toSorted(), ['n1 tidy full', 'n2 tidy full']);
});

test('kernel-update: each server reboots, one after the other', async (t) => {
  // No machine reboots here: the stand-in changes what tells the boot, and kills the handler. The window is left out.
  const standIn = `
      - reboot:
          timeout: 15m
          command: |
            NOTE
            echo second > "$(dirname $LEDGER)/boot-$METRONOME_NODE"
            kill -KILL $PPID
            sleep 60`;
  const { f, services, lines } = example(
    t,
    'kernel-update',
    ['n1', 'n2'],
    [
      ['\n      - reboot: {timeout: 15m}', standIn],
      ['min_healthy_time: 1m', 'min_healthy_time: 300ms'],
      ["    window: {days: [mon-thu], start: '22:00', end: '04:00', time_zone: Europe/Berlin}\n", ''],
    ],
  );
  for (const { name } of f.nodes) {
    await f.serve(name, services.application);
    writeFileSync(join(f.dir, `boot-${name}`), 'first\n');
  }
  const id = await f.fire('kernel-update');
  const ended = async () => {
    const text = (await f.api.kvGet(`${f.prefix}results/${id}`))?.value ?? '{}';
    return (JSON.parse(text) as { FinishedAt?: string }).FinishedAt !== undefined;
  };
  const signals: (string | null)[] = [];
  // A timer's ticks, on each machine in turn.
  for (let round = 0; round < 60 && !(await ended()); round += 1) {
    for (const { address, config, name } of f.nodes) {
      const { stateDir, files } = config;
      const env = { METRONOME_BOOT_ID_FILE: join(f.dir, `boot-${name}`) };
      const { signal } = await metronome(address, ['tick'], { prefix: f.prefix, stateDir, files, env });
      if (signal !== null) signals.push(`${name} ${signal}`);
    }
    await sleep(50);
  }
  t.is((await f.ended(id)).event.Status, 'success');
  t.deepEqual(lines('kernel.log'), ['n1 install', 'n1 check', 'n2 install', 'n2 check']);
  t.deepEqual(signals, ['n1 SIGKILL', 'n2 SIGKILL']);
  const health = await f.api.request<{ Checks: { Status: string }[] }[]>(
    'GET',
    `health/service/${services.application}`,
  );
  t.true(health.every(({ Checks }) => Checks.every(({ Status }) => Status === 'passing')));
  t.deepEqual(await f.left(), []);
});
