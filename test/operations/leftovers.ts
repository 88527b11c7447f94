import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { endLeftovers, forgetClaim, recordClaim, recordGroup } from '../../src/operations/leftovers.js';
import { processInfo, runningProcesses } from '../../src/operations/proc.js';
import { silent } from '../../src/log.js';
import { processesWith } from '../support/guard.js';
import { root } from '../support/project.js';
import { holds, until } from '../support/until.js';
import type { HandlerArguments } from './_handler.js';
import { bench, type Bench } from './_task.js';

const stubborn = join(root, 'test/fixtures/programs/stubborn.sh');
const alive = (pid: number) => processInfo(pid)?.ended === false;
const options = { grace: 200, log: silent };
const linux = process.platform === 'linux' ? test : test.skip;

/** A handler with a task whose children do not go away by themselves. */
async function startHandler(t: ExecutionContext, one: Bench, guard: boolean): Promise<ChildProcess> {
  const { folder, stateDir, context } = one;
  const { claim, workDir } = context;
  t.teardown(() => {
    for (const { pid } of processesWith(claim)) process.kill(pid, 'SIGKILL');
  });
  const up = join(folder, 'up');
  const argument: HandlerArguments = {
    stateDir,
    workDir,
    claim,
    folder,
    script: `exec '${stubborn}' '${up}'`,
    guard,
  };
  const program = fileURLToPath(new URL('_handler.js', import.meta.url));
  const handler = spawn(process.execPath, [program, JSON.stringify(argument)], { stdio: 'inherit' });
  t.teardown(() => handler.kill('SIGKILL'));
  await until(() => existsSync(up), 'the children to be up', 20_000);
  t.teardown(() => {
    if (alive(bare(one))) process.kill(bare(one), 'SIGKILL');
  });
  return handler;
}

/** The child without the mark, in a session of its own. */
function bare(one: Bench): number {
  return Number(readFileSync(join(one.folder, 'up.bare'), 'utf8'));
}

async function kill(handler: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => handler.once('exit', resolve));
  handler.kill('SIGKILL');
  await gone;
}

/** A process that has nothing to do with us, in a group of its own. */
function stranger(t: ExecutionContext, env: NodeJS.ProcessEnv = {}): { pid: number; startTime: string } {
  const child = spawn('sleep', ['1000'], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, ...env },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  return { pid, startTime: processInfo(pid)?.startTime ?? '' };
}

/** The record of a handler that is dead. */
function record(stateDir: string, group: unknown, handler: object = {}): { claim: string; file: string } {
  const claim = randomUUID();
  recordClaim(stateDir, claim);
  const file = join(stateDir, 'running', `${claim}.json`);
  const whole = JSON.parse(readFileSync(file, 'utf8')) as { handler: object };
  const dead = { ...whole.handler, pid: process.pid, startTime: '1', ...handler };
  writeFileSync(file, JSON.stringify({ ...whole, handler: dead, group }));
  return { claim, file };
}

linux('a killed handler: its task is ended with all children, and its claim is told', async (t) => {
  const one = bench(t);
  const handler = await startHandler(t, one, false);
  await kill(handler);
  t.true(processesWith(one.context.claim).length >= 6);
  const ended = await endLeftovers(one.stateDir, options);
  t.deepEqual(
    ended.map(({ claim }) => claim),
    [one.context.claim],
  );
  t.true((ended[0]?.processes ?? 0) >= 6);
  t.false(alive(bare(one)));
  t.deepEqual(processesWith(one.context.claim), []);
  t.deepEqual(await endLeftovers(one.stateDir, options), []);
});

linux('a handler that lives keeps its task', async (t) => {
  const one = bench(t);
  const handler = await startHandler(t, one, false);
  handler.kill('SIGSTOP');
  t.deepEqual(await endLeftovers(one.stateDir, options), []);
  // Its shells start a sleep again and again, so their number differs from look to look.
  t.true(processesWith(one.context.claim).length >= 6);
  t.true(alive(bare(one)));
  await kill(handler);
  t.is((await endLeftovers(one.stateDir, options)).length, 1);
  t.deepEqual(processesWith(one.context.claim), []);
  t.false(alive(bare(one)));
});

linux('the guard ends the task when its handler is killed and nobody else comes', async (t) => {
  const one = bench(t);
  const handler = await startHandler(t, one, true);
  const guard = () =>
    runningProcesses().find(
      ({ pid, parent }) =>
        parent === handler.pid && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('metronome-guard'),
    );
  const { pid } = await until(guard, 'the guard to stand');
  await holds(() => processesWith(one.context.claim).length >= 6, 'the task', 300);
  await kill(handler);
  await until(() => processesWith(one.context.claim).length === 0, 'the task to end', 20_000);
  await until(() => !alive(bare(one)), 'its child without the mark to end', 20_000);
  await until(() => !alive(pid), 'the guard to go', 20_000);
  t.pass();
});

linux('a pid that is used again by somebody else is left alone', async (t) => {
  const { stateDir } = bench(t);
  const { pid } = stranger(t);
  const { claim, file } = record(stateDir, { mark: randomUUID(), pid, startTime: '12345' });
  t.deepEqual(await endLeftovers(stateDir, options), [{ claim, processes: 0 }]);
  t.true(alive(pid));
  t.false(existsSync(file));
});

linux('a group number that is used again, its first leader gone, is left alone', async (t) => {
  const { stateDir, folder } = bench(t);
  const pidFile = join(folder, 'pid');
  const leader = spawn('sh', ['-c', `sleep 1000 & echo $! > '${pidFile}'`], {
    detached: true,
    stdio: 'ignore',
  });
  await new Promise((resolve) => leader.once('exit', resolve));
  const member = Number(readFileSync(pidFile, 'utf8'));
  t.teardown(() => process.kill(member, 'SIGKILL'));
  t.is(processInfo(member)?.group, leader.pid);
  record(stateDir, { mark: randomUUID(), pid: leader.pid, startTime: '12345' });
  t.is((await endLeftovers(stateDir, options)).length, 1);
  t.true(alive(member));
});

linux('nothing is ended after a reboot: its processes are gone with the machine', async (t) => {
  const { stateDir } = bench(t);
  const { pid, startTime } = stranger(t);
  const { claim } = record(stateDir, { mark: randomUUID(), pid, startTime }, { bootId: 'another' });
  t.deepEqual(await endLeftovers(stateDir, options), [{ claim, processes: 0 }]);
  t.true(alive(pid));
});

linux('a death between spawn and record: found by the mark', async (t) => {
  const { stateDir } = bench(t);
  const mark = randomUUID();
  const { pid } = stranger(t, { METRONOME_PROCESS: mark });
  const other = stranger(t, { METRONOME_PROCESS: randomUUID() });
  const { claim } = record(stateDir, { mark });
  t.deepEqual(await endLeftovers(stateDir, options), [{ claim, processes: 1 }]);
  await until(() => !alive(pid), 'its end');
  t.true(alive(other.pid));
});

test('a claim that had nothing running is told too; a forgotten one is not', async (t) => {
  const { stateDir } = bench(t);
  const { claim } = record(stateDir, undefined);
  recordClaim(stateDir, 'b/../c');
  forgetClaim(stateDir, 'b/../c');
  forgetClaim(stateDir, 'never');
  t.deepEqual(await endLeftovers(stateDir, options), [{ claim, processes: 0 }]);
});

test('records are private, and broken ones are removed', async (t) => {
  const { stateDir } = bench(t);
  const { file } = record(stateDir, { mark: '', pid: 1 });
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(statSync(join(stateDir, 'running')).mode & 0o777, 0o700);
  writeFileSync(join(stateDir, 'running', 'half.json'), '{"claim": "x');
  t.deepEqual(await endLeftovers(stateDir, options), []);
  t.deepEqual(readdirSync(join(stateDir, 'running')), []);
});

test('without a recorded claim no process is recorded', (t) => {
  const { stateDir } = bench(t);
  mkdirSync(stateDir);
  recordGroup(stateDir, 'run-1', { mark: 'm' });
  t.deepEqual(readdirSync(stateDir), []);
});
