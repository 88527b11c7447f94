import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { recordClaim } from '../../src/operations/leftovers.js';
import { runProcess } from '../../src/operations/process.js';
import { processInfo } from '../../src/operations/proc.js';
import { runTask } from '../../src/operations/run-task.js';
import { processesWith } from '../support/guard.js';
import { root } from '../support/project.js';
import { until } from '../support/until.js';
import { bench, type Bench, script, task, TIMEOUT } from './_task.js';

const stubborn = join(root, 'test/fixtures/programs/stubborn.sh');
const linux = process.platform === 'linux' ? test : test.skip;

function isAlive(pid: number): boolean {
  return processInfo(pid)?.ended === false;
}

/** Everything that carries the claim is ended with the test, should it have failed. */
function cleared(t: ExecutionContext, one: Bench): Bench {
  t.teardown(() => {
    for (const { pid } of processesWith(one.context.claim)) process.kill(pid, 'SIGKILL');
  });
  return one;
}

async function run(one: Bench, text: string) {
  const { context, folder, stateDir } = one;
  await mkdir(context.workDir, { recursive: true });
  return runProcess(
    {
      program: '/bin/sh',
      arguments: [],
      cwd: folder,
      environment: { PATH: process.env.PATH ?? '' },
      input: text,
      output: true,
    },
    {
      log: one.log,
      signal: context.signal,
      grace: context.grace,
      workDir: context.workDir,
      stateDir,
      claim: context.claim,
    },
  );
}

linux('children that ignore TERM, hide in sessions of their own or are stopped: none is left', async (t) => {
  const one = cleared(t, bench(t, { grace: 200 }));
  const up = join(one.folder, 'up');
  const operation = { kind: 'execute', file: stubborn, arguments: [up], output: true } as const;
  const running = runTask(task(operation), one.context, TIMEOUT);
  await until(() => existsSync(up), 'the children to be up', 20_000);
  const bare = Number(readFileSync(`${up}.bare`, 'utf8'));
  t.true(isAlive(bare));
  t.true(processesWith(one.context.claim).length >= 6);
  one.stop.abort({ status: 'cancelled', reason: 'cancelled' });
  t.deepEqual(await running, { status: 'cancelled', reason: 'cancelled', retried: 0 });
  t.deepEqual(processesWith(one.context.claim), []);
  t.false(isAlive(bare));
});

linux('who heeds TERM may finish within the grace', async (t) => {
  const one = cleared(t, bench(t, { grace: 60_000 }));
  const running = run(one, 'trap "echo cleaned up; exit 0" TERM; echo ready; sleep 1000 & wait');
  await until(() => one.lines().includes('ready'), 'the script to run');
  one.stop.abort({ status: 'cancelled', reason: 'cancelled' });
  t.deepEqual(await running, { kind: 'stopped', left: [] });
  t.deepEqual(one.lines(), ['ready', 'cleaned up']);
});

linux('a background process that keeps the output open is not waited for, and goes on', async (t) => {
  const one = cleared(t, bench(t));
  const end = await run(one, 'nohup sleep 1000 & echo $!; exit 0');
  t.deepEqual(end, { kind: 'exited', code: 0 });
  const pid = Number(one.lines().find((line) => /^\d+$/.test(line)));
  t.true(isAlive(pid));
  process.kill(pid, 'SIGKILL');
});

test('stdout and stderr keep their order', async (t) => {
  const one = bench(t);
  await run(one, 'i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done');
  t.deepEqual(one.lines(), Array.from({ length: 200 }, (_, i) => [`out ${i}`, `err ${i}`]).flat());
});

test('output is logged as it comes', async (t) => {
  const one = bench(t);
  const running = run(one, 'echo one; while [ ! -e go ]; do sleep 0.02; done; printf two');
  await until(() => one.lines().includes('one'), 'the first line');
  await run(bench(t), `touch '${one.folder}/go'`);
  t.deepEqual(await running, { kind: 'exited', code: 0 });
  t.deepEqual(one.lines(), ['one', 'two']);
});

test('all of a large output is read, and nothing stays in the work folder', async (t) => {
  const one = bench(t);
  await run(one, 'yes 0123456789abcdef | head -n 1000000; echo end');
  const text = one.log.text();
  t.true(text.endsWith('end\n'));
  const left = Number(/-- (\d+) lines/.exec(text)?.[1]);
  t.is(left + text.split('\n').length - 2, 1_000_001);
  t.deepEqual(readdirSync(one.context.workDir), []);
});

test('a program that empties its own output is told so, and what follows is read', async (t) => {
  const one = bench(t);
  const running = run(
    one,
    'echo a long first line; while [ ! -e go ]; do sleep 0.02; done; echo b > /dev/stderr; echo c',
  );
  await until(() => one.lines().includes('a long first line'), 'the first line');
  await run(bench(t), `touch '${one.folder}/go'`);
  await running;
  t.true(one.lines().some((line) => line.includes('emptied its own output')));
  t.deepEqual(one.lines().slice(-2), ['b', 'c']);
});

test('output: false logs nothing', async (t) => {
  const one = bench(t);
  t.like(await runTask(task(script('echo secret; echo more >&2', { output: false })), one.context, TIMEOUT), {
    status: 'success',
  });
  t.notRegex(one.log.text(), /secret|more/);
});

test('a script reads itself from standard input, one of 1 MB too, and has no other name', async (t) => {
  const one = bench(t);
  await run(one, `${': padding\n'.repeat(100_000)}ls '${one.context.workDir}'; echo end`);
  const [first, last] = one.lines();
  t.regex(first ?? '', /^output-/);
  t.is(last, 'end');
});

linux(
  'the record has the mark, the pid and the start time while it runs, and neither afterwards',
  async (t) => {
    const one = cleared(t, bench(t));
    recordClaim(one.stateDir, one.context.claim);
    const file = join(one.stateDir, 'running', `${one.context.claim}.json`);
    const running = run(one, 'echo $METRONOME_PROCESS $$; while [ ! -e go ]; do sleep 0.02; done');
    const [mark, pid] = (await until(() => one.lines()[0], 'the first line')).split(' ');
    const { group } = JSON.parse(readFileSync(file, 'utf8')) as { group: unknown };
    t.deepEqual(group, { mark, pid: Number(pid), startTime: processInfo(Number(pid))?.startTime });
    await run(bench(t), `touch '${one.folder}/go'`);
    await running;
    t.false('group' in (JSON.parse(readFileSync(file, 'utf8')) as object));
  },
);
