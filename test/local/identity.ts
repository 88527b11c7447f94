import test from 'ava';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { bootId, isAlive, ownIdentity } from '../../src/local/identity.js';
import { until } from '../support/until.js';

const proc = existsSync('/proc/self/stat') ? test : test.skip;

const startTime = (pid: number) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
};

test('this process is alive and is itself', (t) => {
  const own = ownIdentity();
  t.is(own.pid, process.pid);
  t.deepEqual(ownIdentity(), own);
  t.true(isAlive(own));
});

proc('a pid that is used again is another process', (t) => {
  const own = ownIdentity();
  t.not(own.startTime, '');
  t.false(isAlive({ ...own, startTime: String(Number(own.startTime) + 1) }));
});

proc('after a reboot nobody is alive', (t) => {
  t.regex(bootId(), /^[0-9a-f-]{36}$/);
  t.false(isAlive({ ...ownIdentity(), bootId: '8f7cb6d2-0c3f-4d1f-9d57-1f5a1b4c2d3e' }));
});

test('where the start time is not known the pid must do', (t) => {
  t.true(isAlive({ ...ownIdentity(), startTime: '' }));
});

proc('a process of another user is alive', (t) => {
  t.true(isAlive({ pid: 1, startTime: startTime(1), bootId: bootId() }));
});

proc('a stopped process is alive, a killed one is not', async (t) => {
  const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
  const over = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(() => child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  const identity = { pid, startTime: startTime(pid), bootId: bootId() };
  t.true(isAlive(identity));
  child.kill('SIGSTOP');
  await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T'), 'it to be stopped');
  t.true(isAlive(identity));
  child.kill('SIGKILL');
  await over;
  t.false(isAlive(identity));
});

proc('a zombie is dead: it runs nothing any more', async (t) => {
  // The shell becomes a program that never asks for the end of its child.
  const parent = spawn('/bin/sh', ['-c', '/bin/sleep 0.1 & echo $!; exec /bin/sleep 1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => parent.kill('SIGKILL'));
  const pid = Number(
    await new Promise<string>((resolve) =>
      parent.stdout.once('data', (data: Buffer) => resolve(data.toString())),
    ),
  );
  const identity = { pid, startTime: startTime(pid), bootId: bootId() };
  await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z'), 'it to be a zombie');
  t.is(startTime(pid), identity.startTime);
  t.false(isAlive(identity));
});

proc('a program’s name with brackets and blanks does not shift the fields', async (t) => {
  const child = spawn(
    process.execPath,
    ['-e', 'process.title = "a) Z 1 2 3"; process.stdin.resume(); console.log(1)'],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const pid = child.pid ?? 0;
  t.true(isAlive({ pid, startTime: startTime(pid), bootId: bootId() }));
});

test('a pid that is none is not alive', (t) => {
  // The kernel's own limit is 2^22.
  t.false(isAlive({ pid: 4_194_305, startTime: '', bootId: bootId() }));
});
