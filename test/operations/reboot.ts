import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { runTask } from '../../src/operations/run-task.js';
import type { TaskConsul, TaskContext } from '../../src/operations/types.js';
import type { RebootOperation } from '../../src/schedule/types.js';
import { root } from '../support/project.js';
import { until } from '../support/until.js';
import { bench, script, task, TIMEOUT } from './_task.js';

const PROGRAMS = join(root, 'test/fixtures/programs');

const consul = { get: async () => 'from-consul' } as unknown as TaskConsul;
const get = { kind: 'consul-kvs', action: 'get', key: 'k', name: 'taken' } as const;

/** A machine whose boot is a file. Tests of this file run one after the other: it is told by the environment. */
function machine(t: Parameters<typeof bench>[0], more: Parameters<typeof bench>[1] = {}) {
  const one = bench(t, { consul, ...more });
  const bootFile = join(one.folder, 'boot_id');
  const boot = (id: string) => writeFileSync(bootFile, `${id}\n`);
  boot('first');
  process.env.METRONOME_BOOT_ID_FILE = bootFile;
  const record = join(one.stateDir, 'reboot', `${one.context.identity.eventId}-2.json`);
  return { ...one, boot, record };
}

const steps = (keys: Partial<RebootOperation> = {}) =>
  task(
    script('echo before'),
    get,
    { kind: 'reboot', command: 'cp "$STATE"/reboot/* seen', ...keys },
    script('echo after {{taken}}'),
  );

test.serial('the task ends where it must go on, and goes on there once the machine is back', async (t) => {
  const one = machine(t);
  const { context } = one;
  const told: unknown[] = [];
  const environments = { STATE: one.stateDir };
  const schedule = { ...context.schedule, environments };
  const beforeReboot = async (pending: unknown) =>
    void told.push(pending, existsSync(join(one.folder, 'seen')));
  const first = await runTask(steps({ timeout: 60_000 }), { ...context, schedule, beforeReboot }, TIMEOUT);
  t.deepEqual(first, {
    status: 'interrupted',
    reason: 'reboot at task.yml:3 reboots the machine; the task goes on at its operation 4 afterwards',
    retried: 0,
    rebootAt: 3,
  });
  // The caller was told before the command ran, and the record was on the disk by then.
  t.deepEqual(told, [{ resumeAt: 3, timeout: 60_000 }, false]);
  t.like(JSON.parse(readFileSync(join(one.folder, 'seen'), 'utf8')), {
    bootId: 'first',
    resumeAt: 3,
    attempt: 1,
  });
  t.is(statSync(one.record).mode & 0o777, 0o600);

  one.boot('second');
  t.deepEqual(await runTask(steps(), { ...context, resumeAt: 3 }, TIMEOUT), {
    status: 'success',
    retried: 0,
  });
  t.deepEqual(
    one.lines().filter((line) => /^(before|after)/.test(line)),
    ['before', 'after from-consul'],
  );
  t.false(existsSync(one.record));
});

test.serial('on the same boot it waits for the machine to go down', async (t) => {
  const one = machine(t);
  t.is((await runTask(steps({ command: 'true' }), one.context, TIMEOUT)).rebootAt, 3);
  const again = runTask(steps(), one.context, TIMEOUT);
  one.boot('second');
  t.like(await again, { status: 'success' });
});

test.serial('a machine that does not reboot in time is an error', async (t) => {
  const one = machine(t);
  t.is((await runTask(steps({ command: 'true', timeout: 200 }), one.context, TIMEOUT)).rebootAt, 3);
  t.deepEqual(await runTask(steps(), { ...one.context, resumeAt: 3 }, TIMEOUT), {
    status: 'error',
    reason:
      'task configure: reboot at task.yml:3: the machine has not rebooted within 200 ms (its boot id is the same)',
    retried: 0,
  });
  t.false(existsSync(one.record));
});

test.serial('the wait for the machine is ended by the signal, and may be taken up again', async (t) => {
  const one = machine(t);
  t.is((await runTask(steps({ command: 'true' }), one.context, TIMEOUT)).rebootAt, 3);
  const waiting = runTask(steps(), one.context, TIMEOUT);
  one.stop.abort({ status: 'interrupted', reason: 'metronome was told to stop' });
  t.like(await waiting, { status: 'interrupted' });
  t.true(existsSync(one.record));
});

test.serial('a command that fails is an error, and nothing is awaited', async (t) => {
  const one = machine(t);
  t.like(await runTask(steps({ command: 'exit 4' }), one.context, TIMEOUT), {
    status: 'error',
    reason: 'reboot at task.yml:3 exited with 4',
    exitCode: 4,
  });
  t.false(existsSync(one.record));
});

test.serial('a handler that goes down with its machine leaves the record', async (t) => {
  const one = machine(t, { grace: 100 });
  const running = runTask(steps({ command: 'touch down; sleep 1000' }), one.context, TIMEOUT);
  await until(() => existsSync(join(one.folder, 'down')), 'the command to run');
  one.stop.abort({ status: 'interrupted', reason: 'metronome was told to stop' });
  t.like(await running, { status: 'interrupted' });
  t.true(existsSync(one.record));
});

test.serial('a further attempt begins anew', async (t) => {
  const one = machine(t);
  t.is((await runTask(steps({ command: 'true' }), one.context, TIMEOUT)).rebootAt, 3);
  one.boot('second');
  const identity = { ...one.context.identity, attempt: 2 };
  t.is((await runTask(steps({ command: 'true' }), { ...one.context, identity }, TIMEOUT)).rebootAt, 3);
  t.is(one.lines().filter((line) => line === 'before').length, 2);
});

test.serial('a retry of the task after a reboot does not reboot again', async (t) => {
  const one = machine(t);
  const plan = task(
    script('echo before'),
    { kind: 'reboot', command: 'echo x >> reboots' },
    script('echo after; false'),
  );
  const options = { ...TIMEOUT, retries: 1, retryDelay: 1 };
  t.is((await runTask(plan, one.context, options)).rebootAt, 2);
  one.boot('second');
  t.like(await runTask(plan, one.context, options), { status: 'error', retried: 1 });
  t.is(readFileSync(join(one.folder, 'reboots'), 'utf8'), 'x\n');
  t.is(one.lines().filter((line) => line === 'after').length, 2);
});

test.serial("without a command it is the service manager's own", async (t) => {
  for (const [serviceManager, call] of [
    ['systemd', 'systemctl <reboot>\n'],
    ['init', 'shutdown <-r> <now>\n'],
  ] as const) {
    const one = machine(t, { config: { serviceManager } });
    const environments = { PATH: `${PROGRAMS}:$PATH`, RECORD: one.folder };
    const context: TaskContext = { ...one.context, schedule: { ...one.context.schedule, environments } };
    t.is((await runTask(task({ kind: 'reboot' }), context, TIMEOUT)).rebootAt, 1);
    t.is(readFileSync(join(one.folder, 'calls'), 'utf8'), call);
  }
});
