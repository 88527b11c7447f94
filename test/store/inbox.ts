/** assign, claim, finish, claimAgain, settle, discard and the inbox, on a real Consul. */
import test from 'ava';
import { NARROW } from '../../src/run/looks.js';
import type { Outcome, Run } from '../../src/run/types.js';
import {
  assign,
  type Claim,
  claim,
  claimAgain,
  discard,
  finish,
  keepInbox,
  markReboot,
  readClaims,
  readInbox,
  settle,
} from '../../src/store/inbox.js';
import { assignmentOf, LATER, NOW, runOf, STAMP, STARTED, stepSpec } from './_documents.js';
import { openStore, session, type Store, unchanged, winners } from './_store.js';

interface Assigned {
  readonly run: Run;
  readonly runIndex: number;
  readonly inboxIndex: number;
  readonly value: string;
}

/** A run whose first step is assigned to these nodes. */
async function assigned(store: Store, nodes: readonly string[] = ['n1'], more: Partial<Run> = {}) {
  const run = runOf('e1', nodes, more);
  const runIndex = await store.put('progress_task_queue/e1/run', run);
  const releases = nodes.map((node) => ({ node, attempt: 1 }));
  if (!(await assign(store.client, run, runIndex, releases))) throw new Error('not assigned');
  const entry = await store.entry(`inbox/${nodes[0]}/e1/0`);
  return { run, runIndex, inboxIndex: entry.modifyIndex, value: entry.value } satisfies Assigned;
}

function claimOf(on: Assigned, by: string, more: Partial<Claim> = {}): Claim {
  return {
    node: 'n1',
    id: 'e1',
    no: 0,
    attempt: 1,
    session: by,
    value: on.value,
    startedAt: STAMP.at,
    ...more,
  };
}

async function outcomeIndex(store: Store, node = 'n1'): Promise<number> {
  return (await store.entry(`progress_task_queue/e1/0/${node}`)).modifyIndex;
}

async function inboxIndex(store: Store, node = 'n1'): Promise<number> {
  return (await store.entry(`inbox/${node}/e1/0`)).modifyIndex;
}

test('assign makes one inbox key a target, with all that execute needs', async (t) => {
  const store = openStore(t);
  const spec = stepSpec(0, {
    timeout: 5000,
    retries: 2,
    retryDelay: 10,
    retryBackoff: 2,
    successCodes: [0, 3],
    when: { variables: { zone: ['"a"\n', 'ß'] } },
  });
  const run = runOf('e1', ['n1', 'n10'], { data: { a: 'b' }, steps: [spec] });
  const runIndex = await store.put('progress_task_queue/e1/run', run);
  t.true(
    await assign(store.client, run, runIndex, [
      { node: 'n1', attempt: 1 },
      { node: 'n10', attempt: 3 },
    ]),
  );
  const value = {
    version: 1,
    event: 'configure',
    pattern: 'web',
    task: 'task0',
    attempt: 1,
    runIndex,
    of: 2,
    lastCounts: true,
    hasData: true,
    timeout: 5000,
    grace: 10_000,
    lostGrace: 60_000,
    retries: 2,
    retryDelay: 10,
    retryBackoff: 2,
    successCodes: [0, 3],
    variables: { zone: ['"a"\n', 'ß'] },
  };
  t.deepEqual(await store.documents(), {
    'progress_task_queue/e1/run': run,
    'inbox/n1/e1/0': value,
    'inbox/n10/e1/0': { ...value, attempt: 3 },
  });
});

test('assign: again, it passes over those that have their key; late, nothing is written', async (t) => {
  const store = openStore(t);
  const { run, runIndex } = await assigned(store, ['n1', 'n2']);
  const releases = ['n1', 'n2'].map((node) => ({ node, attempt: 1 }));
  await unchanged(t, store, async () => t.true(await assign(store.client, run, runIndex, releases)));
  // One is missing: it alone is made.
  await store.api.kvDelete(`${store.prefix}inbox/n1/e1/0`);
  const kept = await store.entry('inbox/n2/e1/0');
  t.true(await assign(store.client, run, runIndex, releases));
  t.deepEqual(await store.entry('inbox/n2/e1/0'), kept);
  await store.entry('inbox/n1/e1/0');
  // The run has gone on.
  await store.put('progress_task_queue/e1/run', { ...run, current: 1 });
  await store.api.kvDelete(`${store.prefix}inbox/n1/e1/0`);
  await unchanged(t, store, async () => t.false(await assign(store.client, run, runIndex, releases)));
});

test('assign: an assignment that has just been finished is not made again', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n2']);
  const by = await session(t, store);
  t.true(await claim(store.client, claimOf(on, by), on));
  t.truthy(await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW }));
  await unchanged(t, store, async () =>
    t.true(
      await assign(
        store.client,
        on.run,
        on.runIndex,
        ['n1', 'n2'].map((node) => ({ node, attempt: 1 })),
      ),
    ),
  );
});

test('assign: a further attempt follows the outcome that it is for, once', async (t) => {
  const store = openStore(t);
  const run = runOf('e1', ['n1']);
  const runIndex = await store.put('progress_task_queue/e1/run', run);
  const after = await store.put('progress_task_queue/e1/0/n1', { attempt: 1, session: '', status: 'lost' });
  await unchanged(t, store, async () => {
    await assign(store.client, run, runIndex, [{ node: 'n1', attempt: 2, outcomeIndex: after - 1 }]);
    await assign(store.client, run, runIndex, [{ node: 'n1', attempt: 1 }]);
  });
  t.true(await assign(store.client, run, runIndex, [{ node: 'n1', attempt: 2, outcomeIndex: after }]));
  t.deepEqual((await store.documents())['inbox/n1/e1/0'], assignmentOf(run, runIndex, 2));
});

for (const count of [31, 32, 200, 400]) {
  test(`assign: ${count} targets, 31 in a transaction`, async (t) => {
    const store = openStore(t);
    const nodes = Array.from({ length: count }, (_, at) => `node-${at}`);
    const run = runOf('e1', nodes);
    const runIndex = await store.put('progress_task_queue/e1/run', run);
    // Some have theirs already, and one has ended.
    await store.put('progress_task_queue/e1/0/node-30', { attempt: 1, session: '', status: 'success' });
    const releases = nodes.map((node) => ({ node, attempt: 1 }));
    t.true(await assign(store.client, run, runIndex, releases.slice(0, 5)));
    t.true(await assign(store.client, run, runIndex, releases));
    const keys = await store.api.kvKeys(`${store.prefix}inbox/`);
    t.deepEqual(
      keys.toSorted(),
      nodes
        .filter((node) => node !== 'node-30')
        .map((node) => `${store.prefix}inbox/${node}/e1/0`)
        .toSorted(),
    );
    const claims = await readClaims(store.client, 'e1', 0, nodes);
    t.is(claims.size, count - 1);
    t.true([...claims.values()].every(({ held }) => !held));
  });
}

test('assign: four dispatchers at once make each key once', async (t) => {
  const store = openStore(t);
  const nodes = Array.from({ length: 80 }, (_, at) => `node-${at}`);
  const run = runOf('e1', nodes);
  const runIndex = await store.put('progress_task_queue/e1/run', run);
  const releases = nodes.map((node) => ({ node, attempt: 1 }));
  const answers = await Promise.all(store.clients.map((client) => assign(client, run, runIndex, releases)));
  t.deepEqual(answers, [true, true, true, true]);
  const entries = await store.api.kvTree(`${store.prefix}inbox/`);
  t.is(entries.length, 80);
  for (const { createIndex, modifyIndex } of entries) t.is(createIndex, modifyIndex);
});

test('claim locks the assignment, and says that it runs', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const by = await session(t, store);
  t.true(await claim(store.client, claimOf(on, by), on));
  t.deepEqual(await store.documents(), {
    'progress_task_queue/e1/run': on.run,
    'inbox/n1/e1/0': JSON.parse(on.value),
    'progress_task_queue/e1/0/n1': { attempt: 1, session: by, status: 'inprogress' },
    'results/e1/0/n1': { EventID: 'e1', No: 0, Node: 'n1', Status: 'inprogress', StartedAt: STARTED },
  });
  const entry = await store.entry('inbox/n1/e1/0');
  t.is(entry.session, by);
  t.is(entry.value, on.value);
});

test('claim: a second caller, the same again, a dead session, a run that went on', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const [by, other, dead] = [await session(t, store), await session(t, store), await session(t, store)];
  await store.api.destroySession(dead);
  await unchanged(t, store, async () => {
    t.false(await claim(store.client, claimOf(on, dead), on));
    t.false(await claim(store.client, claimOf(on, 'no-session'), on));
    t.false(await claim(store.client, claimOf(on, other), { ...on, runIndex: on.runIndex - 1 }));
    t.false(await claim(store.client, claimOf(on, other), { ...on, inboxIndex: on.inboxIndex + 1 }));
    t.false(await claim(store.client, claimOf(on, other), { ...on, outcomeIndex: 1 }));
  });
  t.true(await claim(store.client, claimOf(on, by), on));
  await unchanged(t, store, async () => {
    t.false(await claim(store.client, claimOf(on, other), on));
    t.false(await claim(store.client, claimOf(on, by), on));
    // With fresh indexes the outcome or the lock stops it.
    const fresh = { runIndex: on.runIndex, inboxIndex: await inboxIndex(store) };
    t.false(await claim(store.client, claimOf(on, other), fresh));
    t.false(
      await claim(store.client, claimOf(on, other), { ...fresh, outcomeIndex: await outcomeIndex(store) }),
    );
  });
  t.truthy(await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW }));
  // Late: the assignment is gone, and a lock must not create it.
  await unchanged(t, store, async () => t.false(await claim(store.client, claimOf(on, other), on)));
});

test('claim: the step went on, or a cancel was obeyed, between read and claim', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const by = await session(t, store);
  await store.put('progress_task_queue/e1/run', { ...on.run, step: { ...on.run.step, phase: 'stopping' } });
  await unchanged(t, store, async () => t.false(await claim(store.client, claimOf(on, by), on)));
  await store.api.kvDelete(`${store.prefix}progress_task_queue/e1/run`);
  await unchanged(t, store, async () => t.false(await claim(store.client, claimOf(on, by), on)));
});

test('claim: a further attempt follows the outcome of the one before', async (t) => {
  const store = openStore(t);
  const run = runOf('e1', ['n1']);
  const runIndex = await store.put('progress_task_queue/e1/run', run);
  const after = await store.put('progress_task_queue/e1/0/n1', { attempt: 1, session: '', status: 'lost' });
  t.true(await assign(store.client, run, runIndex, [{ node: 'n1', attempt: 2, outcomeIndex: after }]));
  const entry = await store.entry('inbox/n1/e1/0');
  const seen = { runIndex, inboxIndex: entry.modifyIndex };
  const by = await session(t, store);
  const second: Claim = {
    node: 'n1',
    id: 'e1',
    no: 0,
    attempt: 2,
    session: by,
    value: entry.value,
    startedAt: NOW,
  };
  await unchanged(t, store, async () => {
    t.false(await claim(store.client, second, seen));
    t.false(await claim(store.client, second, { ...seen, outcomeIndex: after - 1 }));
  });
  t.true(await claim(store.client, second, { ...seen, outcomeIndex: after }));
  const documents = await store.documents();
  t.deepEqual(documents['progress_task_queue/e1/0/n1'], { attempt: 2, session: by, status: 'inprogress' });
  t.deepEqual(documents['results/e1/0/n1'], {
    EventID: 'e1',
    No: 0,
    Node: 'n1',
    Status: 'inprogress',
    StartedAt: LATER,
    Attempt: 2,
  });
});

test('claim: of sixteen sessions at once exactly one', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const sessions = await Promise.all(Array.from({ length: 16 }, () => session(t, store)));
  const answers = await Promise.all(
    sessions.map((by, at) => claim(store.clients[at % 4] ?? store.client, claimOf(on, by), on)),
  );
  t.is(winners(answers), 1);
  const by = sessions[answers.indexOf(true)] ?? '';
  t.is((await store.entry('inbox/n1/e1/0')).session, by);
  t.is(((await store.documents())['progress_task_queue/e1/0/n1'] as Outcome).session, by);
});

test('claim: another attempt of the same session on another assignment is its own', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n10']);
  const by = await session(t, store);
  t.true(await claim(store.client, claimOf(on, by), on));
  const ten = { ...on, inboxIndex: await inboxIndex(store, 'n10') };
  t.true(await claim(store.client, claimOf(on, by, { node: 'n10' }), ten));
  t.truthy(await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW }));
  t.is((await store.entry('inbox/n10/e1/0')).session, by);
});

test('finish hands in outcome, node result and log, and removes the assignment', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n10']);
  const by = await session(t, store);
  t.true(await claim(store.client, claimOf(on, by), on));
  const reason = `"quoted"\n${'ß'.repeat(300)}`;
  t.truthy(
    await finish(store.client, claimOf(on, by), {
      status: 'error',
      finishedAt: NOW,
      reason,
      exitCode: 3,
      retried: 2,
      log: 'one\ntwo "ä" \u0000\n',
    }),
  );
  const documents = await store.documents();
  t.deepEqual(documents['results/e1/0/n1'], {
    EventID: 'e1',
    No: 0,
    Node: 'n1',
    Status: 'error',
    StartedAt: STARTED,
    FinishedAt: LATER,
    Reason: reason,
    ExitCode: 3,
    Retried: 2,
  });
  t.is(documents['results/e1/0/n1/log'], 'one\ntwo "ä" \u0000\n');
  const outcome = documents['progress_task_queue/e1/0/n1'] as Outcome;
  t.deepEqual({ ...outcome, reason: '' }, { attempt: 1, session: by, status: 'error', reason: '' });
  t.is(outcome.reason?.length, 200);
  t.true(reason.startsWith(outcome.reason?.slice(0, -1) ?? '-'));
  t.deepEqual(await store.api.kvKeys(`${store.prefix}inbox/`), [`${store.prefix}inbox/n10/e1/0`]);
  // The answer got lost, and he hands it in again.
  await unchanged(t, store, async () =>
    t.falsy(await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW })),
  );
});

test('finish: only the session that holds the claim', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const [by, other] = [await session(t, store), await session(t, store)];
  const ending = { status: 'success', finishedAt: NOW } as const;
  // Not claimed yet.
  await unchanged(t, store, async () => t.falsy(await finish(store.client, claimOf(on, by), ending)));
  t.true(await claim(store.client, claimOf(on, by), on));
  await unchanged(t, store, async () => t.falsy(await finish(store.client, claimOf(on, other), ending)));
  // His session ends: from now on he may write nothing.
  await store.api.destroySession(by);
  await unchanged(t, store, async () => t.falsy(await finish(store.client, claimOf(on, by), ending)));
});

test('finish in a wide step brings whose turn it was, and takes it', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n2', 'n3']);
  const by = await session(t, store);
  const hand = async (node: string, of: number) => {
    const mine = claimOf(on, by, { node });
    t.true(await claim(store.client, mine, { ...on, inboxIndex: await inboxIndex(store, node) }));
    const seen = await finish(store.client, mine, { status: 'success', finishedAt: NOW }, of);
    t.deepEqual(seen?.inbox?.incoming, [], 'without what was finished');
    t.is(seen?.outcomes, undefined, 'of many targets the outcomes are not read');
    return seen?.turn;
  };
  const turn = async () => (await store.documents())['progress_task_queue/e1/turn'];
  await store.put('progress_task_queue/e1/turns', 'a neighbour');
  t.is(await hand('n1', NARROW + 1), undefined);
  t.deepEqual(await turn(), { no: 0, phase: 'waiting', by: 'n1' });
  t.deepEqual(await hand('n2', NARROW + 1), { no: 0, phase: 'waiting', by: 'n1' });
  t.deepEqual(await turn(), { no: 0, phase: 'waiting', by: 'n2' });
  await store.put('progress_task_queue/e1/turn', 'broken');
  t.is(await hand('n3', NARROW + 1), undefined);
  t.deepEqual(await turn(), { no: 0, phase: 'waiting', by: 'n3' });
});

test('finish in a step of few targets brings the outcomes there are', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n2', 'n3', 'n4']);
  const by = await session(t, store);
  const begin = async (node: string) => {
    const mine = claimOf(on, by, { node });
    t.true(await claim(store.client, mine, { ...on, inboxIndex: await inboxIndex(store, node) }));
    return mine;
  };
  const hand = async (node: string) => {
    const seen = await finish(store.client, await begin(node), { status: 'success', finishedAt: NOW }, 4);
    t.is(seen?.turn, undefined);
    return seen?.outcomes?.map(({ status }) => status);
  };
  await store.put('progress_task_queue/e1/00/n9', 'a neighbour');
  t.deepEqual(await hand('n1'), ['success']);
  await begin('n2');
  t.deepEqual(await hand('n3'), ['success', 'inprogress', 'success']);
  await store.put('progress_task_queue/e1/0/n2', 'broken');
  t.is(await hand('n4'), undefined, 'who cannot read them all looks');
  t.false(Object.keys(await store.documents()).includes('progress_task_queue/e1/turn'));
});

test('finish: what else waits in this inbox, and in no other', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n10']);
  const by = await session(t, store);
  await store.put('inbox/n1/e10/0', assignmentOf(runOf('e10', ['n1'])));
  await store.put('inbox/n1/.keep', '{}');
  await store.put('inbox/n1/e9/0', 'broken');
  t.true(await claim(store.client, claimOf(on, by), on));
  const seen = await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW });
  t.deepEqual(seen?.inbox, await readInbox(store.client, 'n1'));
  t.deepEqual(
    seen?.inbox?.incoming.map(({ id, no }) => [id, no]),
    [['e10', 0]],
  );
});

test('markReboot says it in the outcome while the claim is held, and may be repeated', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const [by, other] = [await session(t, store), await session(t, store)];
  await unchanged(t, store, async () => t.false(await markReboot(store.client, claimOf(on, by), 5000)));
  t.true(await claim(store.client, claimOf(on, by), on));
  await unchanged(t, store, async () => t.false(await markReboot(store.client, claimOf(on, other), 5000)));
  const before = await inboxIndex(store);
  for (let more = 0; more < 2; more += 1) t.true(await markReboot(store.client, claimOf(on, by), 5000));
  t.deepEqual((await store.documents())['progress_task_queue/e1/0/n1'], {
    attempt: 1,
    session: by,
    status: 'inprogress',
    reboot: 5000,
  });
  t.is(await inboxIndex(store), before);
  await store.api.destroySession(by);
  await unchanged(t, store, async () => t.false(await markReboot(store.client, claimOf(on, by), 1)));
});

test('finish: of twelve at once exactly one', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const by = await session(t, store);
  await claim(store.client, claimOf(on, by), on);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      finish(store.clients[at % 4] ?? store.client, claimOf(on, by), {
        status: 'success',
        finishedAt: NOW,
        exitCode: at,
      }),
    ),
  );
  t.is(answers.filter((answer) => answer !== undefined).length, 1);
  t.is(
    ((await store.documents())['results/e1/0/n1'] as { ExitCode?: number }).ExitCode,
    answers.findIndex((answer) => answer !== undefined),
  );
});

test('claimAgain: with a new session, as long as the outcome is the own one', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const [by, again, other] = [await session(t, store), await session(t, store), await session(t, store)];
  t.true(await claim(store.client, claimOf(on, by), on));
  const mine = await outcomeIndex(store);
  const held = await inboxIndex(store);
  // While the old session lives nobody gets it.
  await unchanged(t, store, async () =>
    t.false(await claimAgain(store.client, claimOf(on, again), { inboxIndex: held, outcomeIndex: mine })),
  );
  await store.api.destroySession(by);
  const free = await inboxIndex(store);
  t.not(free, held, 'the end of a session moves the index');
  await unchanged(t, store, async () => {
    t.false(await claimAgain(store.client, claimOf(on, by), { inboxIndex: free, outcomeIndex: mine }));
    t.false(await claimAgain(store.client, claimOf(on, again), { inboxIndex: held, outcomeIndex: mine }));
    t.false(await claimAgain(store.client, claimOf(on, again), { inboxIndex: free, outcomeIndex: mine + 1 }));
  });
  t.true(await claimAgain(store.client, claimOf(on, again), { inboxIndex: free, outcomeIndex: mine }));
  t.is((await store.entry('inbox/n1/e1/0')).session, again);
  t.is(await outcomeIndex(store), mine);
  await unchanged(t, store, async () => {
    t.false(await claimAgain(store.client, claimOf(on, other), { inboxIndex: free, outcomeIndex: mine }));
    const now = await inboxIndex(store);
    t.false(await claimAgain(store.client, claimOf(on, other), { inboxIndex: now, outcomeIndex: mine }));
  });
  t.falsy(await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW }));
  t.truthy(await finish(store.client, claimOf(on, again), { status: 'success', finishedAt: NOW }));
  // Late: a lock must not make the key again.
  await unchanged(t, store, async () =>
    t.false(await claimAgain(store.client, claimOf(on, other), { inboxIndex: free, outcomeIndex: mine })),
  );
});

test('claimAgain against settle: exactly one, whoever comes first', async (t) => {
  const store = openStore(t);
  let lost = 0;
  for (let round = 0; round < 6; round += 1) {
    const run = runOf('e1', ['n1']);
    await store.api.kvDeleteTree(store.prefix);
    const runIndex = await store.put('progress_task_queue/e1/run', run);
    await assign(store.client, run, runIndex, [{ node: 'n1', attempt: 1 }]);
    const { value, modifyIndex } = await store.entry('inbox/n1/e1/0');
    const on = { run, runIndex, value, inboxIndex: modifyIndex };
    const [by, again] = [await session(t, store), await session(t, store)];
    t.true(await claim(store.client, claimOf(on, by), on));
    const mine = await outcomeIndex(store);
    await store.api.destroySession(by);
    const free = await inboxIndex(store);
    const [one, two] = store.clients;
    if (one === undefined || two === undefined) return t.fail();
    const answers = await Promise.all([
      // settle reads before it writes: give it a start every other time.
      (round % 2 === 0 ? Promise.resolve() : two.get(`${store.prefix}none`).then(() => one.get('none'))).then(
        () => claimAgain(one, claimOf(on, again), { inboxIndex: free, outcomeIndex: mine }),
      ),
      settle(
        two,
        run,
        runIndex,
        { node: 'n1', status: 'lost', reason: 'lost', attempt: 1, outcomeIndex: mine, inboxIndex: free },
        NOW,
      ),
    ]);
    t.is(winners(answers), 1);
    if (answers[1]) lost += 1;
    const status = ((await store.documents())['progress_task_queue/e1/0/n1'] as Outcome).status;
    t.is(status, answers[1] ? 'lost' : 'inprogress');
  }
  t.log(`lost ${lost} of 6`);
});

test('settle calls a claim that nobody holds lost, and keeps what the node wrote itself', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n10']);
  const by = await session(t, store);
  t.true(await claim(store.client, claimOf(on, by), on));
  await store.api.destroySession(by);
  const settlement = {
    node: 'n1',
    status: 'lost',
    reason: 'lost: "n1" went away',
    attempt: 1,
    outcomeIndex: await outcomeIndex(store),
    inboxIndex: await inboxIndex(store),
  } as const;
  t.true(await settle(store.client, on.run, on.runIndex, settlement, NOW));
  t.deepEqual(await store.documents(), {
    'progress_task_queue/e1/run': on.run,
    'inbox/n10/e1/0': JSON.parse(on.value),
    'progress_task_queue/e1/0/n1': { attempt: 1, session: '', status: 'lost', reason: settlement.reason },
    'results/e1/0/n1': {
      EventID: 'e1',
      No: 0,
      Node: 'n1',
      Status: 'error',
      StartedAt: STARTED,
      FinishedAt: LATER,
      Attempt: 1,
      Reason: settlement.reason,
    },
  });
  await unchanged(t, store, async () =>
    t.false(await settle(store.client, on.run, on.runIndex, settlement, NOW + 1)),
  );
  // The executor comes back late.
  await unchanged(t, store, async () =>
    t.falsy(await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW })),
  );
});

test('settle: what was seen unheld and is held now, has an outcome now, or belongs to a run that went on, stays', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const by = await session(t, store);
  const unreachable = {
    node: 'n1',
    status: 'error',
    reason: 'unreachable',
    unreachable: true,
    attempt: 1,
    outcomeIndex: 0,
    inboxIndex: on.inboxIndex,
  } as const;
  await unchanged(t, store, async () => {
    t.false(await settle(store.client, on.run, on.runIndex - 1, unreachable, NOW));
    t.false(await settle(store.client, on.run, on.runIndex, { ...unreachable, outcomeIndex: 1 }, NOW));
    t.false(
      await settle(store.client, on.run, on.runIndex, { ...unreachable, inboxIndex: on.inboxIndex + 1 }, NOW),
    );
    const { inboxIndex: _, ...noKey } = unreachable;
    t.false(await settle(store.client, on.run, on.runIndex, noKey, NOW), 'there is a key');
  });
  t.true(await claim(store.client, claimOf(on, by), on));
  await unchanged(t, store, async () => {
    t.false(await settle(store.client, on.run, on.runIndex, unreachable, NOW));
    const seen = { ...unreachable, outcomeIndex: await outcomeIndex(store) };
    t.false(await settle(store.client, on.run, on.runIndex, seen, NOW), 'the claim came between');
  });
  t.truthy(await finish(store.client, claimOf(on, by), { status: 'success', finishedAt: NOW }));
  await unchanged(t, store, async () =>
    t.false(await settle(store.client, on.run, on.runIndex, unreachable, NOW)),
  );
});

test('settle: a target that never had a key, and one with an unread result', async (t) => {
  const store = openStore(t);
  const run = runOf('e1', ['n1']);
  const runIndex = await store.put('progress_task_queue/e1/run', run);
  await store.put('results/e1/0/n1', 'broken');
  const settlement = {
    node: 'n1',
    status: 'cancelled',
    reason: 'cancelled before it began',
    attempt: 1,
    outcomeIndex: 0,
  } as const;
  t.true(await settle(store.client, run, runIndex, settlement, NOW));
  const documents = await store.documents();
  t.deepEqual(documents['progress_task_queue/e1/0/n1'], {
    attempt: 1,
    session: '',
    status: 'cancelled',
    reason: settlement.reason,
  });
  t.deepEqual(documents['results/e1/0/n1'], {
    EventID: 'e1',
    No: 0,
    Node: 'n1',
    Status: 'cancelled',
    FinishedAt: LATER,
    Attempt: 1,
    Reason: settlement.reason,
  });
  t.deepEqual(await store.api.kvKeys(`${store.prefix}inbox/`), []);
});

test('settle: of twelve at once exactly one', async (t) => {
  const store = openStore(t);
  const on = await assigned(store);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      settle(
        store.clients[at % 4] ?? store.client,
        on.run,
        on.runIndex,
        {
          node: 'n1',
          status: 'error',
          reason: `by ${at}`,
          attempt: 1,
          outcomeIndex: 0,
          inboxIndex: on.inboxIndex,
        },
        NOW,
      ),
    ),
  );
  t.is(winners(answers), 1);
  t.is(
    ((await store.documents())['progress_task_queue/e1/0/n1'] as Outcome).reason,
    `by ${answers.indexOf(true)}`,
  );
});

test('discard removes an assignment whose run is over, as it was read', async (t) => {
  const store = openStore(t);
  const on = await assigned(store, ['n1', 'n10']);
  const incoming = { id: 'e1', no: 0, index: on.inboxIndex };
  await unchanged(t, store, async () =>
    t.false(await discard(store.client, 'n1', incoming), 'the run lives'),
  );
  await store.api.kvDelete(`${store.prefix}progress_task_queue/e1/run`);
  await store.put('progress_task_queue/e10/run', runOf('e10'));
  await unchanged(t, store, async () => {
    t.false(await discard(store.client, 'n1', { ...incoming, index: on.inboxIndex + 1 }));
    t.false(await discard(store.client, 'n1', { ...incoming, no: 1 }));
    t.false(await discard(store.client, 'n2', incoming));
  });
  const answers = await Promise.all(store.clients.map((client) => discard(client, 'n1', incoming)));
  t.is(winners(answers), 1);
  t.deepEqual(await store.api.kvKeys(`${store.prefix}inbox/`), [`${store.prefix}inbox/n10/e1/0`]);
  await unchanged(t, store, async () => t.false(await discard(store.client, 'n1', incoming)));
});

test('readInbox: its own, oldest first, and what it cannot read', async (t) => {
  const store = openStore(t);
  const run = (id: string) => runOf(id, ['n1']);
  await store.put('inbox/n1/zz/0', assignmentOf(run('zz')));
  await store.put('inbox/n10/e0/0', assignmentOf(run('e0')));
  await store.put('inbox/n1/e10/0', assignmentOf(run('e10')));
  await store.put('inbox/n1/e1/10', assignmentOf(run('e1')));
  await store.put('inbox/n1/e1/2', assignmentOf(run('e1')));
  // A late change does not make it younger.
  await store.put('inbox/n1/zz/0', assignmentOf(run('zz'), undefined, 2));
  await store.put('inbox/n1/e1', 'x');
  await store.put('inbox/n1/e1/02', assignmentOf(run('e1')));
  await store.put('inbox/n1/e1/2/x', assignmentOf(run('e1')));
  await store.put('inbox/n1/e9/0', { ...assignmentOf(run('e9')), task: '../x' });
  const inbox = await readInbox(store.client, 'n1');
  t.deepEqual(
    inbox.incoming.map(({ id, no, assignment }) => [id, no, assignment.attempt]),
    [
      ['zz', 0, 2],
      ['e10', 0, 1],
      ['e1', 10, 1],
      ['e1', 2, 1],
    ],
  );
  const zz = await store.entry('inbox/n1/zz/0');
  t.like(inbox.incoming[0], { index: zz.modifyIndex, createIndex: zz.createIndex, value: zz.value });
  t.deepEqual(
    inbox.broken.map(({ key, problem }) => [key.slice(store.prefix.length), problem]),
    [
      ['inbox/n1/e1', 'is not an assignment'],
      ['inbox/n1/e1/02', 'is not an assignment'],
      ['inbox/n1/e1/2/x', 'is not an assignment'],
      ['inbox/n1/e9/0', 'its task has a slash'],
    ],
  );
  t.is(inbox.keep, undefined);
  t.deepEqual((await readInbox(store.client, 'n')).incoming, []);
});

test('keepInbox: once, and by who saw it last', async (t) => {
  const store = openStore(t);
  await keepInbox(store.client, 'n1', '{}', 0);
  const { keep } = await readInbox(store.client, 'n1');
  t.deepEqual(keep, { value: '{}', index: (await store.entry('inbox/n1/.keep')).modifyIndex });
  await unchanged(t, store, () => keepInbox(store.client, 'n1', 'late', 0));
  await keepInbox(store.client, 'n1', '{"version":1}', keep?.index ?? 0);
  t.is((await store.entry('inbox/n1/.keep')).value, '{"version":1}');
});

test('readClaims: n1 is not n10, e1 is not e10, and who holds what', async (t) => {
  const store = openStore(t);
  const nodes = ['n1', 'n10', 'n', 'ñ "1"'];
  const on = await assigned(store, nodes);
  await store.put('inbox/n2/e1/00', 'x');
  await store.put('inbox/n3/e10/0', assignmentOf(on.run));
  await store.put('inbox/n1/e1/0/x', 'below');
  await store.put('inbox/n1/e1/01', 'other');
  const by = await session(t, store);
  t.true(await claim(store.client, claimOf(on, by), on));
  const claims = await readClaims(store.client, 'e1', 0, [...nodes, 'n2', 'n3', 'n4']);
  t.deepEqual([...claims.keys()].toSorted(), nodes.toSorted());
  for (const node of nodes)
    t.deepEqual(claims.get(node), { index: await inboxIndex(store, node), held: node === 'n1' });
  t.is((await readClaims(store.client, 'e1', 0, [])).size, 0);
});
