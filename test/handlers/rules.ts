/** The rules of the README on a real Consul: several nodes, each with its own agent, state folder and inbox. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { createSession, destroySession } from '../../src/store/session.js';
import { claim, readInbox } from '../../src/store/inbox.js';
import { freshName, until } from '../support/cluster.js';
import { ghostNode } from './_ghost.js';
import { fleet } from '../support/fleet.js';

/** A task that notes its start and end, with something between. */
const work = (name: string, between = 'true') => `
  ${name}:
    operations:
      - execute:
          script: |
            NOTE
            note start
            ${between}
            note end`;

test('steps run in order, each once a node, and nothing is left outside results', async (t) => {
  const [db, app, lb] = [freshName('db'), freshName('app'), freshName('lb')];
  const f = fleet(t, {
    files: {
      web: `
events:
  configure:
    ordered_tasks:
      - {service: ${db}, tag: primary, task: primary}
      - {service: ${db}, tag: standby, task: standby}
      - {service: ${app}, task: application}
      - {service: ${lb}, task: balance}
tasks:${work('primary')}${work('standby')}${work('application', 'sleep 0.2')}${work('balance')}
`,
    },
  });
  await f.serve('n1', db, ['primary']);
  await f.serve('n2', db, ['standby']);
  await f.serve('n2', app);
  await f.serve('n3', app);
  await f.serve('n1', lb);
  const id = await f.fire('configure');
  // The same event from every node, as Consul delivers it.
  for (const node of f.nodes) {
    t.deepEqual((await node.push([{ ID: id, Name: 'configure', Payload: null, LTime: 1 }])).queued, []);
  }
  const { event, steps, nodes } = await f.ended(id);
  t.is(event.Status, 'success');
  t.deepEqual(
    f
      .ledger()
      .map(({ node, task, what }) => `${node} ${task} ${what}`)
      .filter((line) => !line.includes('application')),
    [
      'n1 primary start',
      'n1 primary end',
      'n2 standby start',
      'n2 standby end',
      'n1 balance start',
      'n1 balance end',
    ],
  );
  const tasks = f.ledger().map(({ task }) => task);
  t.deepEqual([...new Set(tasks)], ['primary', 'standby', 'application', 'balance']);
  t.deepEqual(f.starts().toSorted(), [
    'n1 balance',
    'n1 primary',
    'n2 application',
    'n2 standby',
    'n3 application',
  ]);
  t.deepEqual(
    steps.map(({ EventID, No, Name, Status }) => ({ EventID, No, Name, Status })),
    [
      { EventID: id, No: 0, Name: 'primary', Status: 'success' },
      { EventID: id, No: 1, Name: 'standby', Status: 'success' },
      { EventID: id, No: 2, Name: 'application', Status: 'success' },
      { EventID: id, No: 3, Name: 'balance', Status: 'success' },
    ],
  );
  t.deepEqual(
    nodes.map(({ No, Node, Status }) => [No, Node, Status]),
    [
      [0, 'n1', 'success'],
      [1, 'n2', 'success'],
      [2, 'n2', 'success'],
      [2, 'n3', 'success'],
      [3, 'n1', 'success'],
    ],
  );
  t.regex(
    (await f.api.kvGet(`${f.prefix}results/${id}/0/n1/log`))?.value ?? '',
    /^\S+Z \[INFO \] -- Task primary has started\n/,
  );
  t.deepEqual(await f.left(), []);

  // Rule 10: delivered again, to anybody, it does nothing.
  for (const node of f.nodes) {
    const again = await node.push([{ ID: id, Name: 'configure', Payload: null, LTime: 1 }]);
    t.deepEqual([again.queued, again.known], [[], [id]]);
    await node.tick();
  }
  t.is(f.starts().length, 5);
});

test('rule 1: events run one at a time, in the order of the queue', async (t) => {
  const service = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events:
  one: {ordered_tasks: [{service: ${service}, task: work}]}
tasks:${work('work', 'sleep 0.05')}
`,
    },
  });
  await f.serve('n1', service);
  await f.serve('n2', service);
  const ids = Array.from({ length: 6 }, () => randomUUID());
  for (const [at, id] of ids.entries()) await f.fire('one', { id, by: at % 2 === 0 ? 'n1' : 'n2' });
  for (const id of ids) await f.ended(id);
  const order = f.ledger().map(({ id }) => id);
  t.deepEqual([...new Set(order)], ids);
  // Both nodes of one event before any of the next: no event begins twice in the ledger.
  t.deepEqual(
    order,
    ids.flatMap((id) => [id, id, id, id]),
  );
});

test('rule 1: events of different groups run side by side', async (t) => {
  const [a, b] = [freshName('a'), freshName('b')];
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events:
  slow: {concurrency: slow, ordered_tasks: [{service: ${a}, task: slow}]}
  quick: {concurrency: {group: quick}, ordered_tasks: [{service: ${b}, task: quick}]}
tasks:${work('slow', `while [ ! -e "$(dirname $LEDGER)/go" ]; do sleep 0.05; done`)}${work('quick', 'touch "$(dirname $LEDGER)/go"')}
`,
    },
  });
  await f.serve('n1', a);
  await f.serve('n2', b);
  const slow = await f.fire('slow');
  const quick = await f.fire('quick');
  // The slow one ends only when the quick one has run: in one group they would wait for each other for ever.
  t.is((await f.ended(slow)).event.Status, 'success');
  t.is((await f.ended(quick)).event.Status, 'success');
});

test('rule 2: files by priority, low first, ties in the order of the files', async (t) => {
  const service = freshName('app');
  const file = (priority: number, task: string) => `
events:
  go: {priority: ${priority}, ordered_tasks: [{service: ${service}, task: ${task}}]}
tasks:${work(task)}
`;
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      last: file(80, 'last'),
      tie_a: file(50, 'tie_a'),
      first: file(20, 'first'),
      tie_b: file(50, 'tie_b'),
    },
  });
  await f.serve('n1', service);
  await f.ended(await f.fire('go'));
  t.deepEqual(f.starts(), ['n1 first', 'n1 tie_a', 'n1 tie_b', 'n1 last']);
});

test('rule 4: targets are looked up when the step starts; a tag that an earlier step registered is seen', async (t) => {
  const service = freshName('db');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
environments: {AGENT: '{{agent}}'}
events:
  go:
    ordered_tasks:
      - {service: ${service}, task: register}
      - {service: ${service}, tag: ready, task: use}
tasks:${work('register', `${process.execPath} -e "fetch('http://'+process.env.AGENT+'/v1/agent/service/register',{method:'PUT',body:JSON.stringify({ID:'${service}',Name:'${service}',Tags:['ready']})}).then(r=>process.exit(r.ok?0:1))"`)}${work('use')}
`,
    },
    config: (name) => ({ variables: { agent: `${addressOf(name)}` } }),
  });
  await f.serve('n1', service);
  await f.serve('n2', service);
  const { event } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'success');
  t.deepEqual(f.starts().toSorted(), ['n1 register', 'n1 use', 'n2 register', 'n2 use']);
});

test('rule 4: a node that comes to match while the step runs joins it', async (t) => {
  const service = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${service}, task: work}, {service: ${service}, tag: one, task: after}]}}
tasks:${work('work', `while [ "$METRONOME_NODE" = n1 -a ! -e "$(dirname $LEDGER)/go" ]; do sleep 0.05; done; touch "$(dirname $LEDGER)/go"`)}${work('after')}
`,
    },
  });
  await f.serve('n1', service, ['one']);
  const id = await f.fire('go');
  const running = f.node('n1').tick();
  await until(() => f.starts().length === 1, 'the first target to be at work', 20_000);
  await f.serve('n2', service);
  await f.node('n2').tick();
  await running;
  await f.ended(id);
  t.deepEqual(f.starts(), ['n1 work', 'n2 work', 'n1 after']);
});

test('rule 5: no target for start_timeout skips a skippable step and ends another as timeout', async (t) => {
  const [nobody, app] = [freshName('nobody'), freshName('app')];
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
default: {step: {start_timeout: 300ms}}
events:
  skips: {ordered_tasks: [{service: ${nobody}, task: work}, {service: ${app}, task: work}]}
  all_skipped: {ordered_tasks: [{service: ${nobody}, task: work}]}
  stops: {ordered_tasks: [{service: ${nobody}, task: work, skippable: false}, {service: ${app}, task: work}]}
tasks:${work('work')}
`,
    },
  });
  await f.serve('n1', app);
  const skips = await f.ended(await f.fire('skips'));
  t.is(skips.event.Status, 'success');
  t.deepEqual(
    skips.steps.map((step) => step.Status),
    ['skip', 'success'],
  );
  t.regex(skips.steps[0]?.Reason ?? '', /no node has had service nobody-\S+ for 300 ms/);
  t.is((await f.ended(await f.fire('all_skipped'))).event.Status, 'skip');
  const stops = await f.ended(await f.fire('stops'));
  t.is(stops.event.Status, 'timeout');
  t.deepEqual(
    stops.steps.map((step) => step.Status),
    ['timeout'],
  );
  t.deepEqual(f.starts(), ['n1 work']);
});

test('rule 6: a target that fails ends the step with error when the others are done, and no later step runs', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work}, {service: ${app}, task: later}]}}
tasks:${work('work', '[ $METRONOME_NODE = n2 ] && sleep 0.3 || exit 3')}${work('later')}
`,
    },
  });
  await f.serve('n1', app);
  await f.serve('n2', app);
  const { event, steps, nodes } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'error');
  t.regex(event.Reason ?? '', /^step 0 work: n1: .*3/);
  t.is(steps.length, 1);
  t.deepEqual(
    nodes.map(({ Node, Status }) => [Node, Status]),
    [
      ['n1', 'error'],
      ['n2', 'success'],
    ],
  );
  t.deepEqual(f.starts().toSorted(), ['n1 work', 'n2 work']);
});

test('rule 6: step_timeout ends the task that is at work, and the step and the event as timeout', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
default: {step: {step_timeout: 1500ms, grace: 1s}}
events: {go: {ordered_tasks: [{service: ${app}, task: work}]}}
tasks:${work('work', 'sleep 60')}
`,
    },
  });
  await f.serve('n1', app);
  const { event, nodes } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'timeout');
  t.regex(event.Reason ?? '', /n1 did not finish after 1.5 s/);
  t.is(nodes[0]?.Status, 'timeout');
  t.deepEqual(
    f.ledger().map(({ what }) => what),
    ['start'],
  );
  t.deepEqual(await f.left(), []);
});

test('rule 7: a task that passes its timeout is ended with its whole process group, and its result says so', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work, grace: 500ms}]}}
tasks:
  work:
    timeout: 3s
    operations:
      - execute:
          script: |
            NOTE
            trap '' TERM
            sh -c 'trap "" TERM; while :; do sleep 0.1; done' &
            echo $! > "$(dirname $LEDGER)/pid"
            note start
            while :; do sleep 0.1; done
`,
    },
  });
  await f.serve('n1', app);
  const { event, nodes } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'timeout');
  t.is(nodes[0]?.Status, 'timeout');
  t.regex(nodes[0]?.Reason ?? '', /timeout of 3 s/);
  const pid = Number(readFileSync(join(f.dir, 'pid'), 'utf8'));
  await until(
    () => !existsSync(`/proc/${pid}/cmdline`) || readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '',
    'the child to be gone',
    5000,
  );
  t.pass();
});

test('rule 8: however many dispatch and execute at once, a task starts once', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2', 'n3', 'n4'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: one}, {service: ${app}, task: two}, {service: ${app}, task: three}]}}
tasks:${work('one')}${work('two')}${work('three')}
`,
    },
  });
  for (const { name } of f.nodes) await f.serve(name, app);
  const ids = await Promise.all([f.fire('go'), f.fire('go', { by: 'n2' }), f.fire('go', { by: 'n3' })]);
  await until(
    async () => {
      await Promise.all(
        f.nodes.flatMap((node) => [
          node.dispatch(),
          node.execute(),
          node.dispatch(true),
          node.execute(),
          node.execute(),
        ]),
      );
      return (
        (await f.api.kvKeys(`${f.prefix}progress_task_queue/`)).length +
          (await f.api.kvKeys(`${f.prefix}event_queue/`)).length ===
        0
      );
    },
    'all events to end',
    60_000,
  );
  const starts = f
    .ledger()
    .filter(({ what }) => what === 'start')
    .map(({ id, task, node }) => `${id} ${task} ${node}`);
  t.is(starts.length, 3 * 3 * 4);
  t.is(new Set(starts).size, starts.length);
  for (const id of ids)
    t.deepEqual(
      [
        ...new Set(
          f
            .ledger()
            .filter((entry) => entry.id === id)
            .map(({ task }) => task),
        ),
      ],
      ['one', 'two', 'three'],
    );
});

test('rule 9: a claim that nobody holds becomes error, reason lost, after lost_grace, and the next event runs', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
default: {step: {lost_grace: 1s}}
events: {go: {ordered_tasks: [{service: ${app}, task: work}]}}
tasks:${work('work')}
`,
    },
  });
  await f.serve('n1', app);
  const id = await f.fire('go');
  const next = await f.fire('go');
  await f.node('n2').dispatch();
  // An executor claims the assignment and dies: its session ends, and nothing else of it happens.
  const { client } = f.node('n1');
  const incoming = (await readInbox(client, 'n1')).incoming[0];
  if (incoming === undefined) throw new Error('nothing in the inbox');
  const session = await createSession(client, 'dies');
  t.true(
    await claim(
      client,
      { node: 'n1', id, no: 0, attempt: 1, session, value: incoming.value, startedAt: Date.now() },
      { runIndex: incoming.assignment.runIndex ?? incoming.createIndex, inboxIndex: incoming.index },
    ),
  );
  await destroySession(client, session);
  const { event, nodes } = await f.ended(id);
  t.is(event.Status, 'error');
  t.is(nodes[0]?.Status, 'error');
  t.is(nodes[0]?.Reason, 'lost');
  t.is((await f.ended(next)).event.Status, 'success');
  t.deepEqual(
    f.ledger().map((entry) => entry.id),
    [next, next],
  );
});

test('a target whose Consul agent never comes is unreachable after start_timeout', async (t) => {
  const app = freshName('app');
  const ghost = freshName('ghost');
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
default: {step: {start_timeout: 700ms}}
events: {go: {ordered_tasks: [{service: ${app}, task: work}]}}
tasks:${work('work')}
`,
    },
  });
  await f.serve('n1', app);
  await ghostNode(t, f, ghost, app);
  const { event, nodes } = await f.ended(await f.fire('go'));
  t.is(event.Status, 'error');
  t.deepEqual(
    nodes.map(({ Node, Status }) => [Node, Status]),
    [
      [ghost, 'error'],
      ['n1', 'success'],
    ],
  );
  t.regex(nodes[0]?.Reason ?? '', /^unreachable/);
  t.deepEqual(await f.left(), []);
});

test('an event that nobody can plan ends as an error, and blocks nothing for ever', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work}]}}
tasks:${work('work')}
`,
    },
  });
  await f.serve('n1', app);
  const id = randomUUID();
  // Queued by a node that defined it, which is gone.
  const stamp = { at: Date.now(), by: 'gone' };
  await f.api.kvPut(
    `${f.prefix}event_queue/${id}`,
    JSON.stringify({
      ID: id,
      Name: 'elsewhere',
      Payload: '',
      LTime: 1,
      Data: {},
      Group: 'default',
      Limit: 1,
      Seq: 0,
      QueuedAt: stamp,
    }),
  );
  const next = await f.fire('go');
  await f.node('n1').tick();
  t.deepEqual(f.starts(), [], 'those behind it wait: another node may know it');
  // Two minutes later by this node's clock.
  const later = f.node('n1').context({ now: () => Date.now() + 121_000 });
  const { dispatch } = await import('../../handlers/dispatch.js');
  await dispatch(later);
  const result = JSON.parse((await f.api.kvGet(`${f.prefix}results/${id}`))?.value ?? '{}') as {
    Status?: string;
    Reason?: string;
  };
  t.is(result.Status, 'error');
  t.regex(result.Reason ?? '', /no node could plan it for 120 s/);
  t.is((await f.ended(next)).event.Status, 'success');
});

test('events that no file defines are dismissed, and do not run when a definition comes later', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
events: {go: {ordered_tasks: [{service: ${app}, task: work}]}}
tasks:${work('work')}
`,
    },
  });
  const event = { ID: randomUUID(), Name: 'later', Payload: null, LTime: 7 };
  t.deepEqual((await f.node('n1').push([event])).dismissed, [event.ID]);
  const { writeFileSync } = await import('node:fs');
  const path = join(f.dir, 'web', 'task.yml');
  writeFileSync(path, readFileSync(path, 'utf8').replace('events: {go:', 'events: {later:'));
  const again = await f.node('n1').push([event]);
  t.deepEqual([again.queued, again.known], [[], [event.ID]]);
  t.is((await f.node('n1').push([{ ...event, ID: randomUUID() }])).queued.length, 1, 'a new one is taken');
});

function addressOf(name: string): string {
  const told = JSON.parse(process.env.METRONOME_TEST_CLUSTER ?? '{"nodes":[]}') as {
    nodes: { name: string; http: { host: string; port: number } }[];
  };
  const node = told.nodes.find((one) => one.name === name);
  return `${node?.http.host}:${node?.http.port}`;
}
