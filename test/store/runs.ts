/** admit, saveRun, endRun, setControl, freeSlot and snapshot, on a real Consul. */
import test from 'ava';
import type { Decision, Run } from '../../src/run/types.js';
import { assign, inboxOf, readInbox } from '../../src/store/inbox.js';
import { push, readQueue, rewriteQueued } from '../../src/store/queue.js';
import {
  admit,
  endRun,
  freeSlot,
  newRun,
  readRun,
  type RunView,
  saveRun,
  setControl,
  snapshot,
} from '../../src/store/runs.js';
import {
  assignmentOf,
  LATER,
  NOW,
  queuedEvent,
  runOf,
  STAMP,
  STARTED,
  stepSpec,
  stepState,
} from './_documents.js';
import { openStore, type Store, unchanged, winners } from './_store.js';

const STEPS = [stepSpec(0), stepSpec(1, { tag: 'primary', section: 'always' })];

async function queueOf(store: Store) {
  return (await readQueue(store.client)).queue;
}

async function theView(store: Store, id: string): Promise<RunView> {
  const view = (await snapshot(store.client)).runs.find(({ run }) => run.id === id);
  if (view === undefined) throw new Error(`no run ${id}`);
  return view;
}

async function putRun(store: Store, run: Run): Promise<RunView> {
  await store.put(`progress_task_queue/${run.id}/run`, run);
  return theView(store, run.id);
}

test('admit moves the event from the queue: slot, run and result in one', async (t) => {
  const store = openStore(t);
  await push(store.client, [
    queuedEvent('e1', { Payload: 'p', Data: { a: 'b' } }),
    queuedEvent('e10', { Seq: 1 }),
  ]);
  const [queued] = await queueOf(store);
  if (queued === undefined) return t.fail();
  const run = newRun(queued.event, STEPS, 0, STAMP);
  t.is(
    await admit(store.client, queued, run),
    (await store.entry(`progress_task_queue/${run.id}/run`)).modifyIndex,
  );
  t.deepEqual(await store.documents(), {
    'event_queue/e10': queuedEvent('e10', { Seq: 1 }),
    'active/default/0': 'e1',
    'progress_task_queue/e1/run': {
      version: 1,
      id: 'e1',
      event: 'configure',
      payload: 'p',
      data: { a: 'b' },
      group: 'default',
      slot: 0,
      queuedAt: STAMP,
      startedAt: STAMP,
      steps: STEPS,
      current: 0,
      step: { phase: 'waiting', since: STAMP, targets: [], batches: [], marks: {} },
      ended: [],
    },
    'results/e1': {
      ID: 'e1',
      Name: 'configure',
      Status: 'inprogress',
      StartedAt: STARTED,
      QueuedAt: STARTED,
      Group: 'default',
      Steps: 2,
    },
    // For a rerun: the run and what it was given is gone when it has ended.
    'results/e1/given': { Payload: 'p', Data: { a: 'b' } },
  });
  // The same caller again, whose answer got lost.
  await unchanged(t, store, async () => t.is(await admit(store.client, queued, run), undefined));
});

test('admit: a stale view of the queue, a run or a result that stands already, a slot in use', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('e1')]);
  const [stale] = await queueOf(store);
  if (stale === undefined) return t.fail();
  await rewriteQueued(store.client, stale, { ...stale.event, Unplanned: STAMP });
  const [queued] = await queueOf(store);
  if (queued === undefined) return t.fail();
  const run = newRun(queued.event, STEPS, 0, STAMP);
  await unchanged(t, store, async () => t.is(await admit(store.client, stale, run), undefined));

  for (const key of ['active/default/0', 'progress_task_queue/e1/run', 'results/e1']) {
    await store.put(key, 'taken');
    await unchanged(t, store, async () => t.is(await admit(store.client, queued, run), undefined, key));
    await store.api.kvDelete(store.prefix + key);
  }
  // Another slot of another group is no hindrance.
  await store.put('active/default/1', 'e9');
  await store.put('active/default/00', 'e8');
  t.is(
    await admit(store.client, queued, run),
    (await store.entry(`progress_task_queue/${run.id}/run`)).modifyIndex,
  );
});

test('admit: of sixteen dispatchers with two events and one slot, one starts one event', async (t) => {
  const store = openStore(t);
  await push(store.client, [queuedEvent('e1'), queuedEvent('e2', { Seq: 1 })]);
  const queue = await queueOf(store);
  const answers = await Promise.all(
    Array.from({ length: 16 }, async (_, at) => {
      const queued = queue[at % 2];
      if (queued === undefined) return false;
      const run = newRun(queued.event, STEPS, 0, STAMP);
      return (await admit(store.clients[at % 4] ?? store.client, queued, run)) !== undefined;
    }),
  );
  t.is(winners(answers), 1);
  const won = `e${(answers.indexOf(true) % 2) + 1}`;
  const lost = won === 'e1' ? 'e2' : 'e1';
  t.deepEqual(Object.keys(await store.documents()).toSorted(), [
    'active/default/0',
    `event_queue/${lost}`,
    `progress_task_queue/${won}/run`,
    `results/${won}`,
  ]);
  t.is((await store.entry('active/default/0')).value, won);
});

test('newRun takes the whole of the event along', (t) => {
  const Actions = [{ what: 'rerun', user: 'u', host: 'h', at: LATER }];
  const Rerun = { Of: 'e0', From: 1, Done: { '1': ['n1'] } };
  const run = newRun(queuedEvent('e1', { Group: 'g', Rerun, Actions }), STEPS, 3, STAMP);
  t.deepEqual([run.group, run.slot, run.rerun, run.actions, run.current], ['g', 3, Rerun, Actions, 1]);
});

const write = (run: Run, more: Partial<Extract<Decision, { kind: 'write' }>> = {}) => ({
  kind: 'write' as const,
  run,
  reports: [],
  releases: [],
  ...more,
});

test('saveRun writes the run, the reports and the assignments that follow, in one', async (t) => {
  const store = openStore(t);
  const view = await putRun(store, runOf('e1'));
  const run = runOf('e1', ['n1', 'n10']);
  const saved = await saveRun(
    store.client,
    view,
    write(run, {
      reports: [{ no: 0, status: 'inprogress' }],
      releases: [
        { node: 'n1', attempt: 1 },
        { node: 'n10', attempt: 1 },
      ],
    }),
    NOW,
  );
  const entry = await store.entry('progress_task_queue/e1/run');
  t.is(saved?.index, entry.modifyIndex);
  t.is(saved?.released, 2);
  for (const node of ['n1', 'n10']) {
    const own = saved?.assigned.filter(({ key }) => key.startsWith(store.client.keys.inbox(node))) ?? [];
    t.is(own.length, 1);
    t.deepEqual(inboxOf(store.client, node, own), await readInbox(store.client, node), 'as a read would');
  }
  t.deepEqual(await store.documents(), {
    'progress_task_queue/e1/run': run,
    'inbox/n1/e1/0': assignmentOf(run),
    'inbox/n10/e1/0': assignmentOf(run),
    'results/e1/0': {
      EventID: 'e1',
      No: 0,
      Name: 'task0',
      Status: 'inprogress',
      StartedAt: STARTED,
      Pattern: 'web',
      Service: 'db',
      Targets: 2,
    },
  });
  // The assignments carry no run index: their own CreateIndex is it.
  t.is((await store.entry('inbox/n1/e1/0')).createIndex, entry.modifyIndex);
  await unchanged(t, store, async () =>
    t.is(
      await saveRun(store.client, view, write(run, { reports: [{ no: 0, status: 'error' }] }), NOW),
      undefined,
    ),
  );
});

test('saveRun: where an outcome or an assignment stands already, the run alone is written', async (t) => {
  for (const key of ['progress_task_queue/e1/0/n2', 'inbox/n2/e1/0']) {
    const store = openStore(t);
    await store.put(key, { attempt: 1, session: '', status: 'success' });
    const kept = await store.entry(key);
    const view = await putRun(store, runOf('e1'));
    const releases = ['n1', 'n2'].map((node) => ({ node, attempt: 1 }));
    const run = runOf('e1', ['n1', 'n2']);
    // A stale caller meets it as well, and writes nothing at all.
    const stale = { ...view, index: view.index - 1 };
    await unchanged(t, store, async () =>
      t.is(await saveRun(store.client, stale, write(run, { releases }), NOW), undefined, key),
    );
    const saved = await saveRun(store.client, view, write(run, { releases }), NOW);
    const { modifyIndex } = await store.entry('progress_task_queue/e1/run');
    t.deepEqual(saved, { index: modifyIndex, released: 0, assigned: [] }, key);
    t.deepEqual(await store.entry(key), kept);
    t.deepEqual(
      Object.keys(await store.documents()).toSorted(),
      [key, 'progress_task_queue/e1/run'].toSorted(),
    );
    // What the next call does: the other target alone gets its assignment.
    t.true(await assign(store.client, run, modifyIndex, releases));
    t.deepEqual(await store.entry(key), kept);
    t.deepEqual(
      (await store.api.kvKeys(`${store.prefix}inbox/`)).filter((one) => !one.endsWith(key)),
      [`${store.prefix}inbox/n1/e1/0`],
    );
  }
});

test('saveRun: of 200 targets as many as one transaction takes are released at once', async (t) => {
  const store = openStore(t);
  const view = await putRun(store, runOf('e1'));
  const nodes = Array.from({ length: 200 }, (_, at) => `n${at}`);
  const saved = await saveRun(
    store.client,
    view,
    write(runOf('e1', nodes), {
      reports: [{ no: 0, status: 'inprogress' }],
      releases: nodes.map((node) => ({ node, attempt: 1 })),
    }),
    NOW,
  );
  t.is(saved?.released, 31);
  t.is((await store.api.kvKeys(`${store.prefix}inbox/`)).length, 31);
});

test('saveRun: a large run leaves its assignments to the next call rather than being refused', async (t) => {
  const store = openStore(t);
  const big = runOf('e1', ['n1', 'n2'], { payload: 'x'.repeat(380_000) });
  const view = await putRun(store, runOf('e1'));
  const releases = ['n1', 'n2'].map((node) => ({ node, attempt: 1 }));
  const saved = await saveRun(store.client, view, write(big, { releases }), NOW);
  t.is((await theView(store, 'e1')).run.payload.length, 380_000);
  t.is((await store.api.kvKeys(`${store.prefix}inbox/`)).length, saved?.released ?? -1);
});

test('saveRun: of twelve at once exactly one', async (t) => {
  const store = openStore(t);
  const view = await putRun(store, runOf('e1'));
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      saveRun(
        store.clients[at % 4] ?? store.client,
        view,
        write(runOf('e1', [`n${at}`]), { releases: [{ node: `n${at}`, attempt: 1 }] }),
        NOW,
      ),
    ),
  );
  t.is(answers.filter((answer) => answer !== undefined).length, 1);
  const winner = answers.findIndex((answer) => answer !== undefined);
  t.deepEqual(await store.api.kvKeys(`${store.prefix}inbox/`), [`${store.prefix}inbox/n${winner}/e1/0`]);
});

test('saveRun: a step that ended reports with the state it had', async (t) => {
  const store = openStore(t);
  const view = await putRun(store, runOf('e1', ['n1', 'n2']));
  const next: Run = { ...runOf('e1'), current: 1, step: stepState({ since: { at: NOW, by: 'n3' } }) };
  await saveRun(
    store.client,
    view,
    write(next, { reports: [{ no: 0, status: 'error', reason: 'n1: "no"\nspace', ignored: true }] }),
    NOW,
  );
  t.deepEqual((await store.documents())['results/e1/0'], {
    EventID: 'e1',
    No: 0,
    Name: 'task0',
    Status: 'error',
    StartedAt: STARTED,
    FinishedAt: LATER,
    Pattern: 'web',
    Service: 'db',
    Reason: 'n1: "no"\nspace',
    Ignored: true,
    Targets: 2,
  });
});

/** A run with everything that can stand beside it, and a neighbour whose id begins with its own. */
async function fullRun(store: Store): Promise<RunView> {
  await store.put('active/default/0', 'e1');
  await store.put('active/other/0', 'e10');
  await store.put('results/e1', { ID: 'e1', Status: 'inprogress' });
  await store.put('results/e1/0/n1/log', 'text');
  await store.put('control/e1', {
    cancel: 1,
    actions: [{ what: 'cancel', user: 'u', host: 'h', at: LATER }],
  });
  await store.put('control/e10', { pause: true });
  await store.put('progress_task_queue/e1/0/n1', { attempt: 1, session: '', status: 'success' });
  await store.put('progress_task_queue/e1/turn', 'x');
  await store.put('progress_task_queue/e10/run', runOf('e10'));
  return putRun(store, runOf('e1', ['n1']));
}

const end = (run: Run): Extract<Decision, { kind: 'end' }> => ({
  kind: 'end',
  run,
  status: 'error',
  reason: 'step 0: n1 failed',
  reports: [{ no: 0, status: 'error' }],
});

test('endRun leaves of the run nothing but its results', async (t) => {
  const store = openStore(t);
  const view = await fullRun(store);
  t.true(await endRun(store.client, view, end(view.run), NOW));
  t.deepEqual(await store.documents(), {
    'active/other/0': 'e10',
    'control/e10': { pause: true },
    'progress_task_queue/e10/run': runOf('e10'),
    'results/e1': {
      ID: 'e1',
      Name: 'configure',
      Status: 'error',
      StartedAt: STARTED,
      FinishedAt: LATER,
      QueuedAt: STARTED,
      Reason: 'step 0: n1 failed',
      Group: 'default',
      Steps: 2,
      Actions: [{ what: 'cancel', user: 'u', host: 'h', at: LATER }],
    },
    'results/e1/0': {
      EventID: 'e1',
      No: 0,
      Name: 'task0',
      Status: 'error',
      StartedAt: STARTED,
      FinishedAt: LATER,
      Pattern: 'web',
      Service: 'db',
      Targets: 1,
    },
    'results/e1/0/n1/log': 'text',
  });
  // The slot is another's now; a late one must not free it.
  await store.put('active/default/0', 'e2');
  await unchanged(t, store, async () => t.false(await endRun(store.client, view, end(view.run), NOW + 1000)));
});

test('endRun: a word that came, changed or went since, or a run that went on, stops it', async (t) => {
  const store = openStore(t);
  const view = await fullRun(store);
  await store.put('control/e1', { cancel: 2 });
  await unchanged(t, store, async () => t.false(await endRun(store.client, view, end(view.run), NOW)));
  await store.api.kvDelete(`${store.prefix}control/e1`);
  await unchanged(t, store, async () => t.false(await endRun(store.client, view, end(view.run), NOW)));
  const silent = await theView(store, 'e1');
  t.is(silent.controlIndex, undefined);
  await store.put('control/e1', { cancel: 1 });
  await unchanged(t, store, async () => t.false(await endRun(store.client, silent, end(view.run), NOW)));
  const before = await theView(store, 'e1');
  await store.put('progress_task_queue/e1/run', runOf('e1', ['n1', 'n2']));
  await unchanged(t, store, async () => t.false(await endRun(store.client, before, end(view.run), NOW)));
});

test('endRun: of eight at once exactly one', async (t) => {
  const store = openStore(t);
  const view = await fullRun(store);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, at) =>
      endRun(store.clients[at % 4] ?? store.client, view, end(view.run), NOW),
    ),
  );
  t.is(winners(answers), 1);
});

test('setControl: for the run as it was; one word at a time', async (t) => {
  const store = openStore(t);
  const { index } = await putRun(store, runOf('e1'));
  t.true(await setControl(store.client, 'e1', index, { cancel: 1 }, undefined));
  t.deepEqual((await store.documents())['control/e1'], { cancel: 1 });
  const first = (await store.entry('control/e1')).modifyIndex;
  // A second who saw no word yet, and one for a run that never was.
  await unchanged(t, store, async () => {
    t.false(await setControl(store.client, 'e1', index, { pause: true }, undefined));
    t.false(await setControl(store.client, 'e1', index, { pause: true }, first - 1));
    t.false(await setControl(store.client, 'e2', index, { pause: true }, undefined));
  });
  t.true(await setControl(store.client, 'e1', index, { cancel: 2 }, first));
  const second = (await store.entry('control/e1')).modifyIndex;
  await store.put('progress_task_queue/e1/run', runOf('e1', ['n1']));
  await unchanged(t, store, async () =>
    t.false(await setControl(store.client, 'e1', index, { cancel: 3 }, second)),
  );
});

test('setControl: of eight at once exactly one', async (t) => {
  const store = openStore(t);
  const { index } = await putRun(store, runOf('e1'));
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, at) =>
      setControl(store.clients[at % 4] ?? store.client, 'e1', index, { cancel: at + 1 }, undefined),
    ),
  );
  t.is(winners(answers), 1);
  t.deepEqual((await store.documents())['control/e1'], { cancel: answers.indexOf(true) + 1 });
});

test('freeSlot frees a slot whose run does not exist, and no other', async (t) => {
  const store = openStore(t);
  await store.put('active/default/0', 'gone');
  await store.put('active/default/1', 'e1');
  await putRun(store, runOf('e1'));
  // A run's name that begins with the slot's is another run.
  await store.put('progress_task_queue/gone1/run', runOf('gone1'));
  const { slots } = await snapshot(store.client);
  const of = (id: string) => {
    const slot = slots.find((one) => one.id === id);
    if (slot === undefined) throw new Error(`no slot of ${id}`);
    return slot;
  };
  await unchanged(t, store, async () => t.false(await freeSlot(store.client, of('e1'))));
  await unchanged(t, store, async () =>
    t.false(await freeSlot(store.client, { ...of('gone'), index: of('gone').index - 1 })),
  );
  t.true(await freeSlot(store.client, of('gone')));
  t.deepEqual(await store.api.kvKeys(`${store.prefix}active/`), [`${store.prefix}active/default/1`]);
  await unchanged(t, store, async () => t.false(await freeSlot(store.client, of('gone'))));
  // It is another's meanwhile.
  await store.put('active/default/0', 'e5');
  await unchanged(t, store, async () => t.false(await freeSlot(store.client, of('gone'))));
});

test('snapshot: runs with the outcomes of their current step, words, turns and slots', async (t) => {
  const store = openStore(t);
  await fullRun(store);
  await store.put('progress_task_queue/e1/1/n1', { attempt: 1, session: '', status: 'error' });
  await store.put('progress_task_queue/e1/0/n10', { attempt: 2, session: 's', status: 'inprogress' });
  const seen = await snapshot(store.client);
  t.deepEqual(seen.broken, []);
  t.deepEqual(seen.runs.map(({ run }) => run.id).toSorted(), ['e1', 'e10']);
  const e1 = await theView(store, 'e1');
  t.is(e1.index, (await store.entry('progress_task_queue/e1/run')).modifyIndex);
  t.deepEqual(Object.fromEntries(e1.outcomes), {
    n1: {
      attempt: 1,
      session: '',
      status: 'success',
      index: (await store.entry('progress_task_queue/e1/0/n1')).modifyIndex,
    },
    n10: {
      attempt: 2,
      session: 's',
      status: 'inprogress',
      index: (await store.entry('progress_task_queue/e1/0/n10')).modifyIndex,
    },
  });
  t.is(e1.control?.cancel, 1);
  t.is(e1.controlIndex, (await store.entry('control/e1')).modifyIndex);
  const e10 = await theView(store, 'e10');
  t.deepEqual(e10.control, { pause: true });
  t.is(e10.outcomes.size, 0);
  t.deepEqual(
    seen.slots.map(({ group, slot, id }) => [group, slot, id]),
    [
      ['default', 0, 'e1'],
      ['other', 0, 'e10'],
    ],
  );
});

test('snapshot: an empty store, and one full of rubbish, is read', async (t) => {
  const store = openStore(t);
  t.deepEqual(await snapshot(store.client), { runs: [], slots: [], broken: [] });
  for (const key of [
    'progress_task_queue/e1',
    'progress_task_queue/e1/run',
    'progress_task_queue/e2/run/x',
    'progress_task_queue/../run',
    'progress_task_queue/e3/01/n1',
    'active/default',
    'active/default/x',
    'active/default/0/1',
    'control/e3',
  ])
    await store.put(key, '{');
  await putRun(store, runOf('e3', ['n1']));
  await store.put('progress_task_queue/e3/0/n1', 'null');
  const seen = await snapshot(store.client);
  t.is(seen.slots.length, 0);
  t.deepEqual(
    seen.runs.map(({ run, control, outcomes }) => [run.id, control, outcomes.size]),
    [['e3', {}, 0]],
  );
  t.is(seen.broken.length, 10);
  for (const { problem } of seen.broken) t.not(problem, '');
});

test('readRun: the run and its index; undefined when it has ended or cannot be read', async (t) => {
  const store = openStore(t);
  const { index } = await putRun(store, runOf('e10'));
  t.deepEqual(await readRun(store.client, 'e10'), { run: runOf('e10'), index });
  t.is(await readRun(store.client, 'e1'), undefined);
  await store.put('progress_task_queue/e1/run', '[]');
  t.is(await readRun(store.client, 'e1'), undefined);
});
