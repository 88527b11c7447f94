/** What a hostile or broken hand may write: on standard input, under our keys, into schedule files and state. */
import test from 'ava';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { tick } from '../../handlers/tick.js';
import { freshName, sharedCluster, until } from '../support/cluster.js';
import { LONG } from './_chance.js';
import { makeWorld, registerServices, type Services } from './_world.js';

const nodes = () => {
  const cluster = sharedCluster();
  return [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')] as const;
};
let services: Services;
test.before(async () => {
  services = await registerServices(nodes());
});

const json = (value: unknown) => JSON.stringify(value);
const event = (own: Record<string, unknown>) => ({ ID: freshName('e'), Name: 'deploy', LTime: 1, ...own });

/** Input that holds no good event: what it is, and what the line must say. */
const WHOLE: Readonly<Record<string, readonly [string, RegExp]>> = {
  'no JSON': ['deploy', /is not JSON/],
  'cut off': [json([event({})]).slice(0, -5), /is not JSON/],
  'an object': [json(event({})), /is an object: expected the array/],
  'a number': ['7', /is a number: expected the array/],
  'deeply nested': ['['.repeat(200_000), /is not JSON/],
  '10 MB of text': ['x'.repeat(10 << 20), /is not JSON/],
  'a 10 MB name': [json([event({ Name: 'n'.repeat(10 << 20) })]), /is longer than 128 bytes/],
  'a NUL byte': [`[{"ID":"a","Name":"b\0"}]`, /is not JSON/],
};

/** One event of an array: its fields, and what the line must say. */
const FIELDS: Readonly<Record<string, readonly [unknown, RegExp]>> = {
  'a number as event': [7, /is a number/],
  'null as event': [null, /is null/],
  'no ID': [{ Name: 'deploy' }, /has no ID/],
  'no Name': [{ ID: 'a' }, /has no Name/],
  'an ID that is a number': [event({ ID: 7 }), /expected a string/],
  'an ID that climbs': [event({ ID: '../../results/x' }), /has a slash/],
  'an ID of dots': [event({ ID: '..' }), /is ".."/],
  'an ID with a NUL': [event({ ID: 'a\u0000b' }), /control character/],
  'an ID with a quote': [event({ ID: 'a"b' }), /characters other than/],
  'an ID that is not ASCII': [event({ ID: 'ä' }), /characters other than/],
  'an empty Name': [event({ Name: '' }), /is empty/],
  'a Name with a slash': [event({ Name: 'a/b' }), /has a slash/],
  'a Name of two dots': [event({ Name: '..' }), /is ".."/],
  'a Name with a newline': [event({ Name: 'a\nb' }), /control character/],
  'half a surrogate': [event({ Name: '\ud800' }), /Unicode|control/],
  'a Payload that is a number': [event({ Payload: 7 }), /Payload that is a number/],
  'a Payload that is no base64': [event({ Payload: '%%%' }), /not base64/],
  'a Payload with a NUL': [event({ Payload: 'AGEA' }), /NUL/],
  'an LTime that is a text': [event({ LTime: '1' }), /LTime that is a string/],
};

test('push: input of which nothing can be taken is one clear line and exit code 2, and writes nothing', async (t) => {
  t.timeout(180_000);
  const world = await makeWorld(t, { nodes: nodes(), services });
  for (const [what, [stdin, says]] of Object.entries(WHOLE)) {
    const { code, stderr, stdout } = await world.start(world.nodes[0], ['push'], { stdin }).finished;
    t.is(code, 2, `${what}: ${stderr.slice(0, 500)}`);
    t.regex(stderr, says, what);
    t.is(stderr.trim().split('\n').length, 1, `${what}: ${stderr.slice(0, 500)}`);
    t.true(stderr.length < 500, what);
    t.notRegex(stderr, /defect|\bat .*\.js/, what);
    t.is(stdout, '', what);
  }
  t.deepEqual(await world.api.kvKeys(world.prefix), []);
});

test('push: each bad event is a line of its own, and the good ones among them are taken', async (t) => {
  const world = await makeWorld(t, { nodes: nodes(), services });
  const good = [freshName('e'), freshName('e')];
  const bad = Object.values(FIELDS).map(([value]) => value);
  const stdin = json([event({ ID: good[0] }), ...bad, event({ ID: good[1] })]);
  const { code, stderr } = await world.start(world.nodes[0], ['push'], { stdin }).finished;
  t.is(code, 2);
  const lines = stderr.split('\n').filter((line) => line.startsWith('metronome: '));
  t.is(lines.length, bad.length, stderr);
  for (const [at, [what, [, says]]] of Object.entries(FIELDS).entries()) t.regex(lines[at] ?? '', says, what);
  await world.settle(good);
  t.deepEqual(await world.faults(good), []);
  // Thousands of bad ones do not fill the journal.
  const many = await world.start(world.nodes[0], ['push'], { stdin: json(Array(50_000).fill(1)) }).finished;
  t.is(many.code, 2);
  t.true(many.stderr.split('\n').length < 30);
  t.regex(many.stderr, /and 49980 more/);
});

test('push: names with quotes, backslashes, spaces and other letters are taken as they are', async (t) => {
  const names = ['it\'s "so"', 'back\\slash', 'zwölf Kühe', '部署', '$(reboot)', '`id`'];
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    more: names
      .map((name) => `  ${json(name)}:\n    ordered_tasks: [{service: ${services.first}, task: say}]`)
      .join('\n'),
    moreTasks: '  say:\n    operations:\n      - execute: {script: \'printf "%s|" "$METRONOME_EVENT"\'}',
  });
  const ids = names.map(() => freshName('e'));
  const stdin = json(names.map((Name, at) => ({ ID: ids[at], Name, LTime: at })));
  const { code, stderr } = await world.start(world.nodes[0], ['push'], { stdin }).finished;
  t.is(code, 0, stderr);
  await world.settle(ids);
  for (const [at, id] of ids.entries()) {
    t.is(await world.status(id), 'success', names[at]);
    const log = await world.api.kvGet(`${world.prefix}results/${id}/0/${world.nodes[0].name}/log`);
    t.true(log?.value.includes(`${names[at]}|`), `${names[at]}: ${log?.value}`);
  }
});

test('foreign and broken values under our keys are named and passed over; other runs go on', async (t) => {
  t.timeout(120_000);
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    more: `  other:
    concurrency: aside
    ordered_tasks: [{service: ${services.first}, task: work}]`,
  });
  const [node] = world.nodes;
  // A run to break: half of a real one.
  const half = freshName('e');
  await push(world.context(node), world.input(half));
  await dispatch(world.context(node));
  const key = `progress_task_queue/${half}/run`;
  const run = JSON.parse((await world.api.kvGet(world.prefix + key))?.value ?? '') as Record<string, unknown>;
  const bad: Record<string, string> = {
    [key]: json({ ...run, step: undefined }),
    'event_queue/no-json': 'no JSON',
    'event_queue/other-id': json({ ID: 'else', Name: 'deploy' }),
    'event_queue/.hidden': '{}',
    'event_queue/weird-rerun': json({
      ID: 'weird-rerun',
      Name: 'deploy',
      Payload: '',
      LTime: 0,
      Data: {},
      Group: 'weird',
      Limit: 1,
      Seq: 0,
      QueuedAt: { at: 1, by: 'n1' },
      Rerun: 7,
    }),
    'progress_task_queue/foreign': 'x',
    'progress_task_queue/foreign/more/than/we/know': 'x',
    'progress_task_queue/older/run': json({ version: 0, id: 'older' }),
    'progress_task_queue/hollow/run': json({
      ...run,
      id: 'hollow',
      group: 'hollow',
      steps: [{ no: 0, task: 'work' }],
      step: { phase: 'running', since: { at: 1, by: 'n1' }, targets: ['n1'], batches: [1], marks: { n1: 7 } },
    }),
    'control/nobody': '[1]',
    'active/some/where/else': 'x',
    [`inbox/${node.name}/foreign`]: 'x',
    [`inbox/${node.name}/foreign/0`]: 'no JSON',
    [`inbox/${node.name}/older/0`]: json({ version: 0 }),
    [`inbox/${node.name}/climbing/0`]: json({
      version: 1,
      event: 'deploy',
      pattern: '../..',
      task: 'work',
      attempt: 1,
      of: 1,
      grace: 1,
      lostGrace: 1,
    }),
    [`inbox/${node.name}/nobody/0`]: json({
      version: 1,
      event: 'deploy',
      pattern: 'pattern',
      task: 'work',
      attempt: 1,
      of: 1,
      grace: 1,
      lostGrace: 1,
    }),
    'results/strange': 'x',
    'schedules/.gc': 'x',
  };
  for (const [name, value] of Object.entries(bad)) await world.api.kvPut(world.prefix + name, value);
  const id = freshName('e');
  await push(world.context(node), json([{ ID: id, Name: 'other' }]));
  const ticked = await world.start(node, ['tick']).finished;
  t.is(ticked.code, 0, ticked.stderr);
  t.notRegex(ticked.stderr, /defect|TypeError/);
  for (const name of Object.keys(bad)) {
    if (/^(results|schedules|control)\/|nobody/.test(name)) continue;
    t.true(ticked.stderr.includes(world.prefix + name), `${name} is not named:\n${ticked.stderr}`);
  }
  await until(
    async () => {
      for (const one of world.nodes) await tick(world.context(one));
      return (await world.status(id)) === 'success';
    },
    'the run beside them to end',
    30_000,
  );
  // The event whose run was broken holds its group until somebody repairs or deletes the key.
  const next = freshName('e');
  await push(world.context(node), world.input(next));
  await tick(world.context(node));
  t.is(await world.status(next), undefined);
  await world.api.kvDelete(world.prefix + key);
  await until(
    async () => {
      for (const one of world.nodes) await tick(world.context(one));
      return (await world.status(next)) === 'success';
    },
    'the group to be free',
    30_000,
  );
  t.deepEqual(
    world.noted().filter((note) => note.id !== id && note.id !== next && note.id !== half),
    [],
    'nothing else ran',
  );
});

test('thousands of events at once are queued in order, each once', async (t) => {
  t.timeout(180_000);
  const count = LONG ? 3000 : 1000;
  const world = await makeWorld(t, { nodes: nodes(), services });
  const ids = Array.from({ length: count }, (_, at) => `many-${String(at).padStart(5, '0')}`);
  const stdin = world.input(...ids);
  const [first, second] = await Promise.all([
    world.start(world.nodes[0], ['push'], { stdin }).finished,
    world.start(world.nodes[1], ['push'], { stdin }).finished,
  ]);
  t.is(first.code, 0, first.stderr.slice(-500));
  t.is(second.code, 0, second.stderr.slice(-500));
  const queued = await world.api.kvKeys(`${world.prefix}event_queue/`);
  const begun = await world.api.kvKeys(`${world.prefix}active/`);
  t.is(queued.length + begun.length, count);
});

test('a run of 300 steps, and a log of 50 MB', async (t) => {
  t.timeout(300_000);
  const steps = LONG ? 300 : 60;
  const megabytes = LONG ? 50 : 12;
  const world = await makeWorld(t, {
    nodes: nodes(),
    services,
    more: `  long:
    ordered_tasks:
${Array.from({ length: steps }, () => `      - {service: ${services.first}, task: say}`).join('\n')}
  loud:
    ordered_tasks: [{service: ${services.first}, task: shout}]`,
    moreTasks: `  say:
    operations: [{echo: so}]
  shout:
    operations:
      - execute: {script: 'echo first line; yes "0123456789 some line of a log" | head -c ${megabytes << 20}; echo; echo last line'}`,
  });
  const [node] = world.nodes;
  const long = freshName('e');
  const loud = freshName('e');
  await push(
    world.context(node),
    json([
      { ID: long, Name: 'long' },
      { ID: loud, Name: 'loud' },
    ]),
  );
  await dispatch(world.context(node));
  const outcome = await execute(world.context(node));
  t.is(outcome.ran.length, steps + 1);
  await world.settle([long, loud]);
  t.is(await world.status(long), 'success');
  t.is(await world.status(loud), 'success');
  const log = (await world.api.kvGet(`${world.prefix}results/${loud}/0/${node.name}/log`))?.value ?? '';
  t.true(log.length < 512 * 1024);
  t.regex(log, /first line/);
  t.regex(log, /last line/);
});

test('the state folder and the spool are for their owner only', async (t) => {
  const world = await makeWorld(t, { nodes: nodes(), services });
  const [node] = world.nodes;
  const nowhere = { ...node, port: 1 };
  const kept = await world.start(node, ['push'], { by: nowhere, stdin: world.input(freshName('e')) })
    .finished;
  t.is(kept.code, 3, kept.stderr);
  const stateDir = world.stateDir(node);
  t.is(statSync(stateDir).mode & 0o777, 0o700);
  t.is(statSync(join(stateDir, 'spool')).mode & 0o777, 0o700);
  for (const name of readdirSync(join(stateDir, 'spool')))
    t.is(statSync(join(stateDir, 'spool', name)).mode & 0o077, 0);
});

test('a full disk below the state folder: a line that says so, and nothing half done', async (t) => {
  t.timeout(60_000);
  const { execFileSync } = await import('node:child_process');
  const world = await makeWorld(t, { nodes: nodes(), services });
  const [node] = world.nodes;
  const stateDir = world.stateDir(node);
  mkdirSync(stateDir, { mode: 0o700 });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', stateDir], {
      stdio: 'ignore',
    });
  } catch {
    t.log('skipped: this test may not mount a file system');
    return t.pass();
  }
  t.teardown(() => void execFileSync('umount', ['-l', stateDir]));
  const fill = () => {
    try {
      for (let at = 0; ; at += 1) writeFileSync(join(stateDir, `fill${at}`), 'x'.repeat(4096));
    } catch {
      // Full now.
    }
  };
  fill();
  const id = freshName('e');
  // The event is queued though its undefined fellow cannot be noted.
  const stdin = json([
    { ID: freshName('e'), Name: 'unknown' },
    { ID: id, Name: 'deploy' },
  ]);
  const pushed = await world.start(node, ['push'], { stdin }).finished;
  t.notRegex(pushed.stderr, /defect/);
  t.regex(pushed.stderr, /ENOSPC|no space/i);
  t.truthy((await world.api.kvGet(`${world.prefix}event_queue/${id}`)) ?? (await world.status(id)));
  const ticked = await world.start(node, ['tick']).finished;
  t.regex(ticked.stderr, /ENOSPC|no space/i);
  t.notRegex(ticked.stderr, /defect/);
  t.deepEqual(world.noted(), [], 'no task begins where its claim cannot be noted');
  const lost = await world.start(node, ['push'], {
    by: { ...node, port: 1 },
    stdin: world.input(freshName('e')),
  }).finished;
  t.regex(lost.stderr, /is LOST on this node/);
  for (const name of readdirSync(stateDir))
    if (name.startsWith('fill')) execFileSync('rm', [join(stateDir, name)]);
  await world.settle([id]);
  t.deepEqual(await world.faults([id]), []);
  t.is(await world.status(id), 'success', JSON.stringify(await world.result(id)) + world.lines.join('\n'));
  t.false(existsSync(join(stateDir, 'execute.lock')));
});
