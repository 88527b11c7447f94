/** What failures do to a step and a run: shares of them, retries, lost executors, rescue and always. */
import test from 'ava';
import { freshName, until } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { ghostNode } from './_ghost.js';
import { dieOver, gateOf, run, say, task, work } from './_tasks.js';

const NODES = ['n1', 'n2', 'n3', 'n4'];

test('max_fail_percentage: as many may fail over the whole step, one more ends it', async (t) => {
  const app = freshName('app');
  const step = (keys: string) => `{ordered_tasks: [{service: ${app}, task: work, serial: 1, ${keys}}]}`;
  const f = fleet(t, {
    nodes: NODES,
    files: {
      web: `
events: {within: ${step('max_fail_percentage: 50%')}, beyond: ${step('max_fail_percentage: 25')}}
tasks:${work('work', 'case $METRONOME_NODE in n1|n2) exit 1;; esac')}
`,
    },
  });
  for (const name of NODES) await f.serve(name, app);
  const within = await f.ended(await f.fire('within'));
  t.is(within.event.Status, 'success');
  t.regex(within.steps[0]?.Reason ?? '', /^2 of 4 failed, within max_fail_percentage; n1: /);
  t.deepEqual(f.starts(), ['n1 work', 'n2 work', 'n3 work', 'n4 work']);
  const beyond = await f.ended(await f.fire('beyond'));
  t.is(beyond.event.Status, 'error');
  t.regex(beyond.event.Reason ?? '', /n1: .*\(and 1 more\); 2 not started/);
  t.deepEqual(f.starts().slice(4), ['n1 work', 'n2 work']);
});

test('any_errors_fatal ends the tasks of the others; ignore_errors lets the run go on', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events:
  fatal: {ordered_tasks: [{service: ${app}, task: long, any_errors_fatal: true, grace: 1s}, {service: ${app}, task: after}]}
  ignored: {ordered_tasks: [{service: ${app}, task: fails, ignore_errors: true}, {service: ${app}, task: after}]}
tasks:${work('long', 'if [ $METRONOME_NODE = n1 ]; then exit 1; fi; sleep 60')}${work('fails', 'exit 1')}${work('after')}
`,
    },
  });
  await f.serve('n1', app);
  await f.serve('n2', app);
  const fatal = await f.ended(await f.fire('fatal'));
  t.is(fatal.event.Status, 'error');
  t.regex(fatal.event.Reason ?? '', /n1: .*exited with 1; any_errors_fatal ends the others/);
  t.deepEqual(
    fatal.nodes.map(({ Node, Status }) => [Node, Status]),
    [
      ['n1', 'error'],
      ['n2', 'cancelled'],
    ],
  );
  const ignored = await f.ended(await f.fire('ignored'));
  t.is(ignored.event.Status, 'success');
  t.like(ignored.steps[0], { Status: 'error', Ignored: true });
  t.deepEqual(
    f
      .starts()
      .filter((line) => line.endsWith('after'))
      .toSorted(),
    ['n1 after', 'n2 after'],
  );
});

test('ignore_unreachable: a target whose agent is down does not fail the step', async (t) => {
  const [app, ghost] = [freshName('app'), freshName('ghost')];
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work, ignore_unreachable: true, start_timeout: 500ms}]}}
tasks:${work('work')}
`,
    },
  });
  await f.serve('n1', app);
  await ghostNode(t, f, ghost, app);
  const { event, nodes } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'success');
  t.deepEqual(
    nodes.map(({ Node, Status }) => [Node, Status]),
    [
      [ghost, 'error'],
      ['n1', 'success'],
    ],
  );
});

test('retries, delays and success_codes on a step and on an operation', async (t) => {
  const app = freshName('app');
  // Succeeds when it has been started so often.
  const nth = (count: number, code: number) =>
    `note start\nn=$(grep -c "$METRONOME_EVENT_ID.*start" $LEDGER)\nif [ $n -lt ${count} ]; then exit ${code}; fi`;
  const options = 'retries: 3, retry_delay: 50ms, retry_backoff: 2';
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
events:
  step: {ordered_tasks: [{service: ${app}, task: thrice, ${options}}]}
  operation: {ordered_tasks: [{service: ${app}, task: within}]}
  codes: {ordered_tasks: [{service: ${app}, task: seven, success_codes: [0, 7]}]}
  never: {ordered_tasks: [{service: ${app}, task: seven, retries: 1, retry_delay: 0}]}
tasks:${task('thrice', run(nth(3, 5)))}${task('within', run(nth(3, 5)).concat('\n          retries: 3\n          retry_delay: 50ms\n          retry_backoff: 2'))}${task('seven', run('note start\nexit 7'))}
`,
    },
  });
  await f.serve('n1', app);
  for (const [event, what] of [
    ['step', /next attempt of the task in 50 ms[^]*next attempt of the task in 100 ms/],
    ['operation', /next try in 50 ms \(2 of 4\)[^]*next try in 100 ms \(3 of 4\)/],
  ] as const) {
    const before = f.starts().length;
    const { event: result, nodes } = await f.ended(await f.fire(event));
    t.is(result.Status, 'success');
    t.is(nodes[0]?.Retried, 2);
    t.is(f.starts().length - before, 3);
    t.regex((await f.api.kvGet(`${f.prefix}results/${result.ID}/0/n1/log`))?.value ?? '', what);
  }
  t.is((await f.ended(await f.fire('codes'))).event.Status, 'success');
  const never = await f.ended(await f.fire('never'));
  t.is(never.event.Status, 'error');
  t.like(never.nodes[0], { Status: 'error', Retried: 1, ExitCode: 7 });
});

test('on_lost: retry runs a lost target again, hold asks an operator first', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
default: {step: {lost_grace: 300ms}}
events:
  retry: {ordered_tasks: [{service: ${app}, task: work, on_lost: retry}]}
  hold: {ordered_tasks: [{service: ${app}, task: work, on_lost: hold}]}
tasks:${work('work')}
`,
    },
  });
  await f.serve('n1', app);
  const retry = await f.fire('retry');
  await dieOver(f, 'n1');
  const again = await f.ended(retry);
  t.is(again.event.Status, 'success');
  t.like(again.nodes[0], { Status: 'success', Attempt: 2 });
  const hold = await f.fire('hold');
  await dieOver(f, 'n1');
  const ended = f.ended(hold);
  await gateOf(f, hold, /^n1 lost: waiting for an operator/);
  t.is(f.starts().length, 1);
  await say(f, hold, { approve: { '0/hold': 1 } });
  t.is((await ended).event.Status, 'success');
  t.deepEqual(f.starts(), ['n1 work', 'n1 work']);
  t.deepEqual(await f.left(), []);
});

test('rescue mends a failure, always runs in any case, after a cancel too', async (t) => {
  const app = freshName('app');
  const list = (...tasks: string[]) =>
    `[${tasks.map((name) => `{service: ${app}, task: ${name}}`).join(', ')}]`;
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
default: {step: {grace: 1s}}
events:
  mended: {ordered_tasks: ${list('fails', 'later')}, rescue: ${list('mend')}, always: ${list('tidy')}}
  lost: {ordered_tasks: ${list('fails')}, rescue: ${list('fails', 'mend')}, always: ${list('tidy')}}
  fine: {ordered_tasks: ${list('later')}, rescue: ${list('mend')}, always: ${list('tidy')}}
  stopped: {ordered_tasks: ${list('long', 'later')}, rescue: ${list('mend')}, always: ${list('tidy')}}
tasks:${work('fails', 'exit 1')}${work('later')}${work('mend')}${work('tidy')}${work('long', 'sleep 60')}
`,
    },
  });
  await f.serve('n1', app);
  const look = async (event: string, meanwhile?: (id: string) => Promise<unknown>) => {
    const id = await f.fire(event);
    const ended = f.ended(id);
    await meanwhile?.(id);
    const { event: result, steps } = await ended;
    return {
      status: result.Status,
      rescued: result.Rescued,
      steps: steps.map(({ Name, Status }) => `${Name} ${Status}`),
    };
  };
  const mended = await look('mended');
  t.is(mended.status, 'success');
  t.regex(mended.rescued ?? '', /^step 0 fails: n1: .*exited with 1$/);
  t.deepEqual(mended.steps, ['fails error', 'mend success', 'tidy success']);
  t.deepEqual(await look('lost'), {
    status: 'error',
    rescued: undefined,
    steps: ['fails error', 'fails error', 'tidy success'],
  });
  t.deepEqual((await look('fine')).steps, ['later success', 'tidy success']);
  const stopped = await look('stopped', async (id) => {
    await until(() => f.starts().at(-1) === 'n1 long', 'the long task to start', 20_000);
    await say(f, id, { cancel: 1 });
  });
  t.deepEqual(stopped, {
    status: 'cancelled',
    rescued: undefined,
    steps: ['long cancelled', 'tidy success'],
  });
  t.deepEqual(await f.left(), []);
});
