/** The handlers and operators of the model: each yields wherever the real one waits for an answer, and anything may happen there. */
import { advance } from '../../src/run/advance.js';
import { firstStep, freshStep } from '../../src/run/sections.js';
import type { Control, Observed, Outcome, Release, Run, SeenOutcome } from '../../src/run/types.js';
import { wants } from '../../src/run/wants.js';
import type { Host } from './_cases.js';
import type { Entry, Op } from './_consul.js';
import { LIMITS, type Pause, type PendingReboot, type Plan, type Task, TTL, type World } from './_world.js';

type Work<T = void> = Generator<Pause, T>;

interface Seen {
  readonly run: Run;
  readonly index: number;
  readonly outcomes: ReadonlyMap<string, SeenOutcome>;
  readonly control?: Control;
  readonly controlIndex: number;
}

const outcomeKey = (id: string, no: number, node: string) => `progress/${id}/${no}/${node}`;
const inboxKey = (node: string, id: string, no: number) => `inbox/${node}/${id}/${no}`;

// Dispatch (handlers/dispatch.ts, src/store/runs.ts) ------------------------------------------------

export function* dispatch(world: World, host: Host, quick: boolean): Work {
  for (let pass = 0; pass < 60; pass += 1) {
    const seen = snapshot(world);
    const slots = world.consul.tree('active/');
    yield;
    let progressed = false;
    for (const view of seen) progressed = (yield* bring(world, host, view, quick)) || progressed;
    if (progressed) continue;
    const queue = world.consul.tree('event_queue/').sort((a, b) => a.created - b.created);
    yield;
    if (!(yield* admit(world, host, queue, slots))) return;
  }
  throw new Error('dispatch has no end');
}

function snapshot(world: World): Seen[] {
  const seen: Seen[] = [];
  for (const { id } of world.plans) {
    const entry = world.run(id);
    if (entry === undefined) continue;
    const prefix = `progress/${id}/${entry.value.current}/`;
    const outcomes = world.consul
      .tree(prefix)
      .map(
        (one) => [one.key.slice(prefix.length), { ...(one.value as Outcome), index: one.modified }] as const,
      );
    const control = world.consul.get(`control/${id}`);
    seen.push({
      run: entry.value,
      index: entry.modified,
      outcomes: new Map(outcomes),
      ...(control === undefined ? {} : { control: control.value as Control }),
      controlIndex: control?.modified ?? 0,
    });
  }
  return seen;
}

function* bring(world: World, host: Host, view: Seen, quick: boolean): Work<boolean> {
  const early = world.stamp(host);
  const observed = yield* observe(world, view, quick);
  // After the look: a `since` that is older than what was seen would call the living lost.
  const now = world.mistake === 'clock before the look' ? early : world.stamp(host);
  const decision = advance(view.run, observed, now, LIMITS);
  yield;
  const { run } = view;
  switch (decision.kind) {
    case 'wait':
      return false;
    case 'settle':
      for (const {
        node,
        status,
        reason,
        attempt,
        outcomeIndex,
        inboxIndex,
        unreachable,
      } of decision.settlements) {
        const inbox = inboxKey(node, run.id, run.current);
        const outcome = { attempt, session: '', status, reason, ...(unreachable ? { unreachable } : {}) };
        const answer = world.txn(`${host.name} settles ${run.id}/${run.current} ${node} ${status}`, [
          { verb: 'check-index', key: `progress/${run.id}/run`, index: view.index },
          inboxIndex === undefined
            ? { verb: 'check-not-exists', key: inbox }
            : { verb: 'check-index', key: inbox, index: inboxIndex },
          { verb: 'cas', key: outcomeKey(run.id, run.current, node), value: outcome, index: outcomeIndex },
          { verb: 'delete', key: inbox },
        ]);
        if (answer.ok) world.count(`settled ${reason.split(':')[0]}`);
        yield;
      }
      return true;
    case 'assign':
      yield* assign(world, host, run, view.index, decision.releases);
      return true;
    case 'write': {
      const index = world.mistake === 'write without cas' ? (world.run(run.id)?.modified ?? 0) : view.index;
      const fit = decision.releases.slice(0, Math.floor((world.txnOps - 2) / 2));
      const answer = world.txn(
        `${host.name} writes ${run.id} at ${decision.run.current} ${decision.run.step.phase} [${decision.run.step.targets.join()}] ${decision.run.step.gate ?? ''}`,
        [
          { verb: 'cas', key: `progress/${run.id}/run`, value: decision.run, index },
          ...fit.flatMap((one) => assignOps(world, decision.run, one)),
        ],
      );
      yield;
      const rest = decision.releases.slice(fit.length);
      if (answer.ok && rest.length > 0) yield* assign(world, host, decision.run, answer.index, rest);
      return true;
    }
    case 'end':
      world.txn(`${host.name} ends ${run.id} ${decision.status} ${decision.reason ?? ''}`, [
        { verb: 'check-index', key: `progress/${run.id}/run`, index: view.index },
        view.controlIndex === 0
          ? { verb: 'check-not-exists', key: `control/${run.id}` }
          : { verb: 'check-index', key: `control/${run.id}`, index: view.controlIndex },
        { verb: 'set', key: `results/${run.id}`, value: decision },
        { verb: 'delete-tree', key: `progress/${run.id}/` },
        { verb: 'delete', key: `active/${run.group}/${run.slot}` },
        { verb: 'delete', key: `control/${run.id}` },
      ]);
      yield;
      return true;
  }
}

/** The snapshot, the catalog and the inbox are read one after the other, and the world goes on between. */
function* observe(world: World, view: Seen, quick: boolean): Work<Observed> {
  const { run, outcomes, control } = view;
  const base = { outcomes, ...(control === undefined ? {} : { control }) };
  const spec = run.steps[run.current];
  if (spec === undefined) return base;
  const wanted = wants(run, base, quick);
  const candidates = wanted.candidates ? world.candidates(spec) : undefined;
  yield;
  const claims = new Map<string, { index: number; held: boolean }>();
  if (wanted.claims) {
    for (const node of run.step.targets) {
      const status = outcomes.get(node)?.status;
      if (status !== undefined && status !== 'inprogress' && status !== 'lost') continue;
      const entry = world.consul.get(inboxKey(node, run.id, run.current));
      if (entry !== undefined) claims.set(node, { index: entry.modified, held: entry.session !== undefined });
    }
    yield;
  }
  const gates = wanted.gates ? (spec.waitFor ?? []).map((gate) => world.passing(gate)) : undefined;
  return {
    ...base,
    ...(candidates === undefined ? {} : { candidates }),
    ...(wanted.claims ? { claims } : {}),
    ...(gates === undefined ? {} : { gates }),
  };
}

function assignOps(world: World, run: Run, release: Release): Op[] {
  const outcome = outcomeKey(run.id, run.current, release.node);
  const check: Op =
    release.outcomeIndex === undefined
      ? { verb: 'check-not-exists', key: outcome }
      : { verb: 'check-index', key: outcome, index: release.outcomeIndex };
  return [
    ...(world.mistake === 'assign without the outcome check' ? [] : [check]),
    {
      verb: 'cas',
      key: inboxKey(release.node, run.id, run.current),
      value: { attempt: release.attempt },
      index: 0,
    },
  ];
}

function* assign(world: World, host: Host, run: Run, runIndex: number, releases: readonly Release[]): Work {
  for (const release of releases) {
    const answer = world.txn(
      `${host.name} assigns ${run.id}/${run.current} ${release.node} attempt ${release.attempt}`,
      [
        { verb: 'check-index', key: `progress/${run.id}/run`, index: runIndex },
        ...assignOps(world, run, release),
      ],
    );
    if (answer.ok) world.count(release.attempt > 1 ? 'assigned a further attempt' : 'assigned later');
    yield;
    if (answer.failed.includes(0)) return;
  }
}

function* admit(world: World, host: Host, queue: readonly Entry[], slots: readonly Entry[]): Work<boolean> {
  let progressed = false;
  for (const group of new Set(queue.map((entry) => (entry.value as Plan).group))) {
    const first = queue.find((entry) => (entry.value as Plan).group === group) as Entry;
    const plan = first.value as Plan;
    const slot = Array.from({ length: plan.limit }, (_, at) => at).find(
      (at) => !slots.some((entry) => entry.key === `active/${group}/${at}`),
    );
    if (slot === undefined) continue;
    const now = world.stamp(host);
    const rough: Run = {
      version: 1,
      id: plan.id,
      event: plan.id,
      payload: '',
      data: {},
      group,
      slot,
      queuedAt: now,
      startedAt: now,
      steps: plan.steps,
      current: 0,
      step: freshStep(now),
      ended: [],
      ...(plan.rerun === undefined || world.mistake === 'forgets what it repeats'
        ? {}
        : { rerun: plan.rerun }),
    };
    const run = { ...rough, current: firstStep(rough) };
    world.txn(`${host.name} admits ${plan.id}`, [
      { verb: 'check-index', key: first.key, index: first.modified },
      { verb: 'delete', key: first.key },
      world.mistake === 'admit without the slot'
        ? { verb: 'set', key: `active/${group}/${slot}`, value: plan.id }
        : { verb: 'cas', key: `active/${group}/${slot}`, value: plan.id, index: 0 },
      { verb: 'cas', key: `progress/${plan.id}/run`, value: run, index: 0 },
      { verb: 'cas', key: `results/${plan.id}`, value: 'inprogress', index: 0 },
    ]);
    yield;
    progressed = true;
  }
  return progressed;
}

// Execute (handlers/execute.ts, handlers/assignment.ts) ---------------------------------------------

export function* execute(world: World, host: Host): Work {
  const passedOver = new Set<string>();
  for (;;) {
    const prefix = `inbox/${host.name}/`;
    const inbox = world.consul.tree(prefix).sort((a, b) => a.created - b.created);
    yield;
    const next = inbox.find((entry) => !passedOver.has(`${entry.key}@${entry.modified}`));
    if (next === undefined) break;
    passedOver.add(`${next.key}@${next.modified}`);
    if (next.session !== undefined) continue;
    const [id, no] = next.key.slice(prefix.length).split('/') as [string, string];
    if (!world.leases.has(host.name)) {
      world.leases.set(host.name, newLease(world));
      yield;
    }
    const task = yield* claim(world, host, id, Number(no), next);
    if (task !== undefined && (yield* perform(world, host, task))) yield* dispatch(world, host, true);
  }
  const lease = world.leases.get(host.name);
  if (lease !== undefined) world.expire(lease, `${host.name}, which is done,`);
  world.leases.delete(host.name);
}

function newLease(world: World) {
  return {
    session: world.consul.createSession(),
    lastGood: world.time,
    expires: TTL * world.random.whole(1, 2),
    orphan: false,
  };
}

/** Claims at once by what the assignment says, or after it has read what the claim checks. */
function* claim(world: World, host: Host, id: string, no: number, seen: Entry): Work<Task | undefined> {
  const key = inboxKey(host.name, id, no);
  const { attempt } = seen.value as { attempt: number };
  // The index at which the run released it stands in the assignment, or is its own; both may be old by now.
  let runIndex = seen.created;
  let inboxIndex = seen.modified;
  let outcomeIndex: number | undefined;
  const record = world.disks.get(key);
  const pending = record?.attempt === attempt ? record : undefined;
  for (let round = attempt === 1 && pending === undefined ? 0 : 1; round < 8; round += 1) {
    if (round > 0) {
      const run = world.run(id);
      yield;
      if (run === undefined || run.value.current !== no || !run.value.step.targets.includes(host.name)) {
        world.txn(`${host.name} discards ${id}/${no}`, [
          { verb: 'check-index', key, index: seen.modified },
          { verb: 'check-not-exists', key: `progress/${id}/run` },
          { verb: 'delete', key },
        ]);
        yield;
        return undefined;
      }
      if (run.value.step.phase !== 'running') return undefined;
      const outcome = world.consul.get(outcomeKey(id, no, host.name));
      yield;
      const known = outcome?.value as Outcome | undefined;
      const back =
        pending !== undefined && known?.status === 'inprogress' && known.attempt === pending.attempt;
      if (!back && attempt === 1 && known !== undefined) return undefined;
      if (!back && attempt > 1 && (known?.status !== 'lost' || known.attempt !== attempt - 1))
        return undefined;
      const inbox = world.consul.get(key);
      yield;
      if (inbox === undefined || inbox.session !== undefined) return undefined;
      runIndex = run.modified;
      inboxIndex = inbox.modified;
      outcomeIndex = outcome?.modified;
    }
    const session = world.leases.get(host.name)?.session ?? '';
    const outcome = outcomeKey(id, no, host.name);
    const answer = world.txn(`${host.name} claims ${id}/${no} attempt ${attempt}`, [
      ...(world.mistake === 'claim without the run check'
        ? []
        : [{ verb: 'check-index', key: `progress/${id}/run`, index: runIndex } as const]),
      { verb: 'check-index', key, index: inboxIndex },
      outcomeIndex === undefined
        ? { verb: 'check-not-exists', key: outcome }
        : { verb: 'check-index', key: outcome, index: outcomeIndex },
      { verb: 'lock', key, value: seen.value, session },
      {
        verb: 'set',
        key: outcome,
        value: {
          attempt,
          session,
          status: 'inprogress',
          // The machine has not gone down yet.
          ...(pending?.boot === host.boot ? { reboot: pending.timeout } : {}),
        } satisfies Outcome,
      },
    ]);
    if (answer.ok) return begin(world, host, id, no, attempt, session, seen.value, pending);
    yield;
  }
  return undefined;
}

function begin(
  world: World,
  host: Host,
  id: string,
  no: number,
  attempt: number,
  session: string,
  value: unknown,
  pending: PendingReboot | undefined,
): Task {
  const { random } = world;
  const spec = world.plans.find((plan) => plan.id === id)?.steps[no] as Run['steps'][number];
  const kill = Math.min(spec.grace, Math.max(1000, spec.lostGrace / 3));
  const ending = Math.min(spec.grace, spec.lostGrace / 3) + 2000;
  const task: Task = {
    id,
    no,
    host,
    attempt,
    value,
    session,
    ends: world.time + random.pick([0, 100, 1000, 5000, 20_000, 40_000, random.chance(0.2) ? 5_000_000 : 0]),
    status: random.chance(0.85) ? 'success' : random.pick(['error', 'timeout', 'skip'] as const),
    stopped: false,
    taken: false,
    silence: Math.max(spec.lostGrace - ending, spec.lostGrace / 2),
    kill,
    resumed: pending !== undefined,
    ...random.maybe(pending === undefined ? 0.2 : 0, 'reboot', () => random.pick([30_000, 300_000])),
  };
  world.tasks.set(host.name, task);
  if (pending === undefined) {
    world.watch.started(task);
    world.count(attempt > 1 ? 'started again' : 'started');
  } else if (pending.boot === host.boot) {
    // The handler died and not the machine: it waits for the machine to go down, and then has failed.
    task.ends = pending.askedAt + pending.timeout;
    task.status = 'error';
  } else {
    // Before it goes on: whoever takes it up again must not.
    if (world.mistake !== 'the record of a reboot is kept') world.disks.delete(inboxKey(host.name, id, no));
    world.watch.resumed(task);
    world.count('went on after a reboot');
  }
  return task;
}

/** What the operation does: the record on the disk, the mark, and the machine goes down. */
function* reboot(world: World, host: Host, task: Task, timeout: number): Work {
  const { id, no, attempt } = task;
  const key = inboxKey(host.name, id, no);
  world.disks.set(key, { attempt, boot: host.boot, timeout, askedAt: world.time });
  for (let tries = 0; ; tries += 1) {
    const { session } = task;
    const value: Outcome = {
      attempt,
      session,
      status: 'inprogress',
      ...(world.mistake === 'a reboot is as any absence' ? {} : { reboot: timeout }),
    };
    const answer = world.txn(`${host.name} marks its reboot in ${id}/${no}`, [
      { verb: 'check-session', key, session },
      { verb: 'set', key: outcomeKey(id, no, host.name), value },
    ]);
    if (answer.ok) break;
    yield;
    if (tries > 0 || task.taken) {
      world.disks.delete(key);
      world.stop(task, 'error', world.time);
      return;
    }
    yield* relock(world, host);
  }
  world.watch.rebooting(task, timeout);
  yield;
  // The command may be ended with its task, as any other.
  const falls = world.time + world.random.pick([0, 1000, 10_000]);
  yield () => world.time >= falls || task.stopped;
  if (task.stopped) world.disks.delete(key);
  else {
    world.count('rebooted');
    world.shutDown(host);
    // It is back, or it is not, by what else befalls it; no process of its former life goes on.
    yield () => false;
  }
}

/** True: the result is handed in. */
function* perform(world: World, host: Host, task: Task): Work<boolean> {
  const { id, no, attempt } = task;
  yield () => world.time >= task.ends;
  if (task.reboot !== undefined && !task.stopped) yield* reboot(world, host, task, task.reboot);
  yield;
  const key = inboxKey(host.name, id, no);
  const outcome = outcomeKey(id, no, host.name);
  let delivered = false;
  while (!task.taken) {
    const { session, status } = task;
    const answer = world.txn(`${host.name} finishes ${id}/${no} ${status}`, [
      { verb: 'check-session', key, session },
      { verb: 'set', key: outcome, value: { attempt, session, status, reason: status } satisfies Outcome },
      { verb: 'delete', key },
    ]);
    if (answer.ok) {
      delivered = true;
      break;
    }
    yield;
    const known = world.consul.get(outcome)?.value as Outcome | undefined;
    yield;
    if (known?.status !== 'inprogress' || known.attempt !== attempt) break;
    yield* relock(world, host);
  }
  world.tasks.delete(host.name);
  world.disks.delete(key);
  world.count(delivered ? 'finished' : 'given away');
  yield;
  return delivered;
}

/** Renewing found the session gone: a new one takes the claim again, or finds that it was given away. */
export function* relock(world: World, host: Host): Work {
  const lease = world.leases.get(host.name);
  if (lease === undefined) return;
  // One renewal at a time, whoever asks for it.
  if (lease.renewing) return yield () => !lease.renewing;
  if (world.consul.sessions.has(lease.session)) return;
  lease.renewing = true;
  const asked = world.time;
  yield;
  const fresh = newLease(world);
  yield;
  const task = world.tasks.get(host.name);
  if (task !== undefined && !(yield* retake(world, host, task, fresh.session))) {
    task.taken = true;
    world.stop(task, 'error', world.time + task.kill);
  }
  lease.session = fresh.session;
  lease.lastGood = asked;
  lease.renewing = false;
}

function* retake(world: World, host: Host, task: Task, session: string): Work<boolean> {
  const key = inboxKey(host.name, task.id, task.no);
  const outcomeOf = outcomeKey(task.id, task.no, host.name);
  for (let tries = 0; tries < 20; tries += 1) {
    const inbox = world.consul.get(key);
    yield;
    const outcome = world.consul.get(outcomeOf);
    yield;
    const known = outcome?.value as Outcome | undefined;
    if (inbox === undefined || known?.status !== 'inprogress' || known.attempt !== task.attempt) return false;
    if (inbox.session !== undefined) continue;
    const answer = world.txn(`${host.name} claims ${task.id}/${task.no} again`, [
      { verb: 'check-index', key, index: inbox.modified },
      { verb: 'check-index', key: outcomeOf, index: outcome?.modified ?? 0 },
      { verb: 'lock', key, value: task.value, session },
    ]);
    if (answer.ok) {
      task.session = session;
      world.count('claimed again');
      return true;
    }
    yield;
  }
  return false;
}

// Operators -----------------------------------------------------------------------------------------

/** One word about a run, given for what the operator saw of it. */
export function* operate(world: World, id: string, say: (run: Run, control: Control) => Control): Work {
  const run = world.run(id);
  const control = world.control(id);
  yield;
  if (run === undefined) return;
  const value = say(run.value, control.value);
  const answer = world.txn(`an operator says of ${id}: ${JSON.stringify(value)}`, [
    { verb: 'check-index', key: `progress/${id}/run`, index: run.modified },
    { verb: 'cas', key: `control/${id}`, value, index: control.index },
  ]);
  if (answer.ok && (value.cancel ?? 0) > (control.value.cancel ?? 0)) world.count('cancelled');
}
