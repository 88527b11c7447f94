import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { runTask } from '../../src/operations/run-task.js';
import type { TaskConsul } from '../../src/operations/types.js';
import { until } from '../support/until.js';
import { bench, script, task, TIMEOUT } from './_task.js';

test('operations run in order, and the log tells', async (t) => {
  const { context, lines, log } = bench(t);
  const outcome = await runTask(
    task({ kind: 'echo', message: 'one' }, script('echo two; echo three >&2; echo four'), {
      kind: 'echo',
      message: 'five',
    }),
    context,
    TIMEOUT,
  );
  t.deepEqual(outcome, { status: 'success', retried: 0 });
  t.deepEqual(lines().slice(0, -1), [
    '-- Task configure has started',
    '-- Operation echo (task.yml:1) has started',
    'one',
    '-- Operation execute (task.yml:2) has started',
    'two',
    'three',
    'four',
    '-- Operation echo (task.yml:3) has started',
    'five',
  ]);
  t.regex(
    log.text(),
    /^\d{4}-\d\d-\d\dT[\d:.]+Z \[INFO \] -- Task configure has finished with success in [\d.]+ m?s$/m,
  );
});

test('a failing operation ends the task and is named with its place', async (t) => {
  const { context, lines } = bench(t);
  const outcome = await runTask(
    task(script('exit 3', { line: 31 }), { kind: 'echo', message: 'never' }),
    context,
    TIMEOUT,
  );
  t.deepEqual(outcome, {
    status: 'error',
    reason: 'execute at task.yml:31 exited with 3',
    exitCode: 3,
    retried: 0,
  });
  t.false(lines().includes('never'));
  t.true(lines().includes('-- execute at task.yml:31 exited with 3'));
});

test('a program killed by a signal, a missing one and one that may not be run are told apart', async (t) => {
  const { context, folder } = bench(t);
  const run = async (operation: Parameters<typeof task>[0]) =>
    (await runTask(task(operation), context, TIMEOUT)).reason;
  t.is(await run(script('kill -SEGV $$')), 'execute at task.yml:1 was killed by SIGSEGV');
  const file = (name: string) => ({ kind: 'execute', file: name, arguments: [], output: true }) as const;
  t.regex((await run(file('absent'))) ?? '', /could not be started: there is no program .*\/absent/);
  writeFileSync(join(folder, 'plain'), '#!/bin/sh\n', { mode: 0o644 });
  t.regex((await run(file('plain'))) ?? '', /plain may not be run: is it executable/);
});

test('exit codes of success: those of the operation, else those of the step', async (t) => {
  const { context } = bench(t);
  const run = async (code: number, own?: number[], step?: number[]) => {
    const operation = script(`exit ${code}`, own === undefined ? {} : { successCodes: own });
    const options = step === undefined ? TIMEOUT : { ...TIMEOUT, successCodes: step };
    return (await runTask(task(operation), context, options)).status;
  };
  t.is(await run(2, [0, 2]), 'success');
  t.is(await run(2, undefined, [0, 2]), 'success');
  t.is(await run(2, [0], [0, 2]), 'error');
});

test('an operation is tried again as its retries say', async (t) => {
  const { context, folder, lines } = bench(t);
  const text = 'echo x >> tries; [ $(wc -l < tries) -ge 3 ]';
  const outcome = await runTask(
    task(script(text, { retries: 4, retryDelay: 10, retryBackoff: 2 })),
    context,
    TIMEOUT,
  );
  t.deepEqual(outcome, { status: 'success', retried: 2 });
  t.is(readFileSync(join(folder, 'tries'), 'utf8'), 'x\nx\nx\n');
  t.true(lines().includes('-- execute at task.yml:1 exited with 1: next try in 10 ms (2 of 5)'));
  t.true(lines().includes('-- execute at task.yml:1 exited with 1: next try in 20 ms (3 of 5)'));
});

test('the last try decides, with its exit code', async (t) => {
  const { context } = bench(t);
  const outcome = await runTask(task(script('exit 7', { retries: 2, retryDelay: 1 })), context, TIMEOUT);
  t.deepEqual(outcome, {
    status: 'error',
    reason: 'execute at task.yml:1 exited with 7',
    exitCode: 7,
    retried: 2,
  });
});

test('the whole task is tried again as the step says, and knows its attempt', async (t) => {
  const { context, folder } = bench(t, { identity: { attempt: 2 } });
  const outcome = await runTask(
    task(
      script('echo first $METRONOME_ATTEMPT >> seen'),
      script('echo second >> seen; [ $METRONOME_ATTEMPT = 4 ]'),
    ),
    context,
    { ...TIMEOUT, retries: 3, retryDelay: 5 },
  );
  t.deepEqual(outcome, { status: 'success', retried: 2 });
  t.is(readFileSync(join(folder, 'seen'), 'utf8'), 'first 2\nsecond\nfirst 3\nsecond\nfirst 4\nsecond\n');
});

test('a timeout ends the task and says so', async (t) => {
  const { context } = bench(t);
  const outcome = await runTask(task(script('sleep 1000')), context, { timeout: 300 });
  t.deepEqual(outcome, {
    status: 'timeout',
    reason: 'task configure passed its timeout of 300 ms and was ended',
    retried: 0,
  });
});

test('each attempt has the whole timeout', async (t) => {
  const { context, folder } = bench(t);
  const text = 'echo x >> tries; [ $(wc -l < tries) -ge 2 ] || sleep 1000';
  const outcome = await runTask(task(script(text)), context, { timeout: 1500, retries: 1, retryDelay: 1 });
  t.deepEqual(outcome, { status: 'success', retried: 1 });
  t.is(readFileSync(join(folder, 'tries'), 'utf8'), 'x\nx\n');
});

test("the caller's signal ends a running task with its reason", async (t) => {
  const { context, folder, stop } = bench(t);
  const running = runTask(task(script('touch here; sleep 1000')), context, { ...TIMEOUT, retries: 5 });
  await until(() => existsSync(join(folder, 'here')), 'the script to run');
  stop.abort({ status: 'cancelled', reason: 'cancelled by anna' });
  t.deepEqual(await running, { status: 'cancelled', reason: 'cancelled by anna', retried: 0 });
});

test("the caller's signal ends a wait between two tries, of an operation and of the task", async (t) => {
  for (const options of [
    { operation: { retries: 3, retryDelay: 600_000 } },
    { step: { retries: 3, retryDelay: 600_000 } },
  ]) {
    const { context, stop, lines } = bench(t);
    const running = runTask(task(script('exit 1', options.operation)), context, {
      ...TIMEOUT,
      ...options.step,
    });
    await until(() => lines().some((line) => line.includes('next')), 'the first try to fail');
    stop.abort({ status: 'lost', reason: 'no contact' });
    t.like(await running, { status: 'lost', reason: 'no contact' });
  }
});

test('a signal that came before does not let anything start', async (t) => {
  const { context, folder, stop } = bench(t);
  stop.abort({ status: 'cancelled', reason: 'too late' });
  t.like(await runTask(task(script('touch here')), context, TIMEOUT), { status: 'cancelled' });
  t.false(existsSync(join(folder, 'here')));
});

test('the environment says what runs, hides the token, and keeps the payload out of the text', async (t) => {
  process.env.CONSUL_HTTP_TOKEN = 'consul-token';
  const { context, lines } = bench(t, {
    identity: { eventId: 'e1', payload: '$(touch hacked)\0', data: { 'ver-sion': '1.2', constructor: 'c' } },
    schedule: {
      environments: { GREETING: 'hi {{who}}', TOKEN: '$CONSUL_HTTP_TOKEN' },
      variables: { who: 'you' },
    },
  });
  const names = 'EVENT_ID EVENT STEP TASK NODE PATTERN PAYLOAD ATTEMPT DATA_VER_SION DATA_CONSTRUCTOR CLAIM';
  const text = `for name in ${names}; do eval "echo $name=\\$METRONOME_$name"; done
    echo "[$CONSUL_HTTP_TOKEN][$TOKEN][$GREETING]"; echo '{{payload}} {{METRONOME_PAYLOAD}}'`;
  t.like(await runTask(task(script(text)), context, TIMEOUT), { status: 'success' });
  t.deepEqual(lines().slice(2, -1), [
    'EVENT_ID=e1',
    'EVENT=configure',
    'STEP=2',
    'TASK=configure',
    'NODE=n1',
    'PATTERN=pattern',
    'PAYLOAD=$(touch hacked)\ufffd',
    'ATTEMPT=1',
    'DATA_VER_SION=1.2',
    'DATA_CONSTRUCTOR=c',
    `CLAIM=${context.claim}`,
    '[][consul-token][hi you]',
    '{{payload}} {{METRONOME_PAYLOAD}}',
  ]);
});

test('operations that need Consul say so where there is none', async (t) => {
  const { context } = bench(t);
  const operation = { kind: 'consul-kvs', action: 'delete', key: 'k', retries: 5 } as const;
  t.deepEqual(await runTask(task(operation), context, TIMEOUT), {
    status: 'error',
    reason: 'consul-kvs at task.yml:1 needs Consul, and this task runs without it',
    retried: 0,
  });
});

test('a Consul that never answers does not hold up the timeout', async (t) => {
  const { context } = bench(t, { consul: { get: () => new Promise(() => {}) } as unknown as TaskConsul });
  const operation = { kind: 'consul-kvs', action: 'get', key: 'k' } as const;
  // A timer of its own: nothing else keeps this process awake.
  const awake = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(awake));
  t.like(await runTask(task(operation), context, { timeout: 100 }), { status: 'timeout' });
});

test('a fault of ours or of Consul is an outcome too', async (t) => {
  const consul = { get: async () => Promise.reject(new TypeError('no\nleader')) } as unknown as TaskConsul;
  const { context } = bench(t, { consul });
  const operation = { kind: 'consul-kvs', action: 'get', key: 'k', retries: 1, retryDelay: 1 } as const;
  t.deepEqual(await runTask(task(operation), context, TIMEOUT), {
    status: 'error',
    reason: 'consul-kvs at task.yml:1 failed: no leader',
    retried: 1,
  });
});
