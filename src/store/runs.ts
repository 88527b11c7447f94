import { freshStep, firstStep } from '../run/sections.js';
import type {
  Control,
  Decision,
  QueuedEvent,
  Run,
  SeenOutcome,
  Stamp,
  StepReport,
  StepSpec,
} from '../run/types.js';
import { type Client, type Entry, type Op, TXN_BYTES, TXN_OPS } from './client.js';
import { type Broken, decodeControl, decodeOutcome, decodeRun } from './documents.js';
import { assignmentOps, assignmentValue } from './inbox.js';
import { parseProgress, parseSlot } from './keys.js';
import type { Queued } from './queue.js';
import { eventResult, type Given, stepResultOp } from './results.js';

/** A run as it stands in the store. */
export interface RunView {
  readonly run: Run;
  /** ModifyIndex of its document. */
  readonly index: number;
  /** Outcomes of its current step. */
  readonly outcomes: ReadonlyMap<string, SeenOutcome>;
  readonly control?: Control;
  readonly controlIndex?: number;
}

export interface Snapshot {
  readonly runs: readonly RunView[];
  /** Slots in use, and by which run. */
  readonly slots: readonly {
    readonly group: string;
    readonly slot: number;
    readonly id: string;
    readonly index: number;
  }[];
  readonly broken: readonly Broken[];
}

/** Everything that dispatch decides from, at one instant: the runs, their outcomes, the operators' words and the slots. */
export async function snapshot(client: Client): Promise<Snapshot> {
  const { keys } = client;
  const entries = await client.snapshot([keys.progress, keys.controls, keys.active]);
  return snapshotOf(client, entries);
}

export function snapshotOf(client: Client, entries: Awaited<ReturnType<Client['snapshot']>>): Snapshot {
  const { keys } = client;
  const broken: Broken[] = [];
  const runs = new Map<string, { run: Run; index: number }>();
  const outcomes = new Map<string, Map<string, SeenOutcome>>();
  const controls = new Map<string, { control: Control; index: number }>();
  const slots: { group: string; slot: number; id: string; index: number }[] = [];
  const progress = entries.filter((entry) => entry.key.startsWith(keys.progress));
  for (const entry of progress) {
    const parts = parseProgress(keys, entry.key);
    if (parts?.kind !== 'run') continue;
    const decoded = decodeRun(entry, parts.id);
    if (decoded.ok) runs.set(parts.id, { run: decoded.value, index: entry.modifyIndex });
    else broken.push(decoded.broken);
  }
  for (const entry of progress) {
    const parts = parseProgress(keys, entry.key);
    if (parts === undefined) {
      broken.push({ key: entry.key, problem: 'is none of metronome’s keys' });
    } else if (parts.kind === 'outcome' && runs.get(parts.id)?.run.current === parts.no) {
      const decoded = decodeOutcome(entry);
      if (!decoded.ok) {
        broken.push(decoded.broken);
        continue;
      }
      let of = outcomes.get(parts.id);
      if (of === undefined) outcomes.set(parts.id, (of = new Map()));
      of.set(parts.node, { ...decoded.value, index: entry.modifyIndex });
    }
  }
  for (const entry of entries) {
    if (entry.key.startsWith(keys.controls)) {
      const id = entry.key.slice(keys.controls.length);
      const decoded = decodeControl(entry);
      // A broken word is nobody's word; its index still counts when the run ends.
      if (decoded.ok) controls.set(id, { control: decoded.value, index: entry.modifyIndex });
      else {
        broken.push(decoded.broken);
        controls.set(id, { control: {}, index: entry.modifyIndex });
      }
    } else if (entry.key.startsWith(keys.active)) {
      const parts = parseSlot(keys, entry.key);
      if (parts === undefined) broken.push({ key: entry.key, problem: 'is not a slot' });
      else slots.push({ ...parts, id: entry.value, index: entry.modifyIndex });
    }
  }
  const views = [...runs].map(([id, { run, index }]): RunView => {
    const control = controls.get(id);
    return {
      run,
      index,
      outcomes: outcomes.get(id) ?? new Map(),
      ...(control === undefined ? {} : { control: control.control, controlIndex: control.index }),
    };
  });
  views.sort((a, b) => a.run.startedAt.at - b.run.startedAt.at);
  return { runs: views, slots, broken };
}

/** One run's document; undefined when it has ended (or never was). */
export async function readRun(client: Client, id: string): Promise<{ run: Run; index: number } | undefined> {
  const entry = await client.get(client.keys.run(id), { consistent: true });
  if (entry === undefined) return undefined;
  const decoded = decodeRun(entry, id);
  return decoded.ok ? { run: decoded.value, index: entry.modifyIndex } : undefined;
}

/** The run that an event becomes when it is admitted. */
export function newRun(event: QueuedEvent, steps: readonly StepSpec[], slot: number, now: Stamp): Run {
  const run: Run = {
    version: 1,
    id: event.ID,
    event: event.Name,
    payload: event.Payload,
    data: event.Data,
    group: event.Group,
    slot,
    queuedAt: event.QueuedAt,
    startedAt: now,
    steps,
    current: 0,
    step: freshStep(now),
    ended: [],
    ...(event.Rerun === undefined ? {} : { rerun: event.Rerun }),
    ...(event.Actions === undefined ? {} : { actions: event.Actions }),
  };
  return { ...run, current: firstStep(run) };
}

/**
 * Takes an event from the queue and makes it a run, or leaves everything as it is:
 * check-index and delete of the queue key · cas 0 of the slot, the run and the result · what it was given, for a rerun.
 * The shared slot key keeps two dispatchers from starting two events.
 * @returns the run's index; undefined: somebody else was first.
 */
export async function admit(client: Client, queued: Queued, run: Run): Promise<number | undefined> {
  const { keys } = client;
  const result = await client.txn([
    { verb: 'check-index', key: keys.queued(run.id), index: queued.index },
    { verb: 'delete', key: keys.queued(run.id) },
    { verb: 'cas', key: keys.slot(run.group, run.slot), value: run.id, index: 0 },
    { verb: 'cas', key: keys.run(run.id), value: JSON.stringify(run), index: 0 },
    {
      verb: 'cas',
      key: keys.result(run.id),
      value: JSON.stringify(eventResult(run, 'inprogress')),
      index: 0,
    },
    ...givenOps(client, run),
  ]);
  return result.ok ? indexOf(result.entries, keys.run(run.id)) : undefined;
}

/** At what index a transaction wrote a key. */
function indexOf(entries: readonly Entry[], key: string): number {
  return entries.find((entry) => entry.key === key)?.modifyIndex ?? 0;
}

/** What an event was given outlives its run, so that it can be run again. Events without anything have no such key. */
function givenOps(client: Client, run: Run): Op[] {
  const { payload, data, rerun } = run;
  if (payload === '' && Object.keys(data).length === 0 && rerun === undefined) return [];
  const value: Given = { Payload: payload, Data: data, ...(rerun === undefined ? {} : { Rerun: rerun }) };
  return [{ verb: 'set', key: client.keys.given(run.id), value: JSON.stringify(value) }];
}

/**
 * Writes a run's next state with the step results that go with it and, as far as they fit, the
 * assignments that follow from it: those stand in the same transaction, so they cannot be missing.
 * @returns the run's new index, how many of the releases are written, and their inbox keys as a read would give
 * them; undefined: somebody else was first.
 */
export async function saveRun(
  client: Client,
  view: RunView,
  decision: Extract<Decision, { kind: 'write' }>,
  now: number,
  reported: readonly Reported[] = reportedBy(view, decision),
): Promise<{ index: number; released: number; assigned: readonly Entry[] } | undefined> {
  const { keys } = client;
  const { run, releases } = decision;
  const ops: Op[] = [{ verb: 'cas', key: keys.run(run.id), value: JSON.stringify(run), index: view.index }];
  ops.push(...reportOps(client, run, reported, now));
  const bare = ops.length;
  let released = 0;
  let bytes = ops.reduce((sum, op) => sum + bytesOf(op), 0);
  const spec = run.steps[run.current];
  for (const release of releases) {
    if (spec === undefined) break;
    const pair = assignmentOps(client, run, spec, release, assignmentValue(run, spec, release, undefined));
    const size = pair.reduce((sum, op) => sum + bytesOf(op), 0);
    if (ops.length + pair.length > TXN_OPS || bytes + size > TXN_BYTES) break;
    ops.push(...pair);
    bytes += size;
    released += 1;
  }
  let result = await client.txn(ops);
  if (!result.ok && released > 0 && !result.failed.includes(0)) {
    // An inbox key stands there already (somebody's hand): the run is written without the assignments, and
    // `assign` passes over those that are there.
    released = 0;
    result = await client.txn(ops.slice(0, bare));
  }
  if (!result.ok) return undefined;
  // All that a transaction writes has its one index.
  const index = indexOf(result.entries, keys.run(run.id));
  const written = new Set(
    releases.slice(0, released).map((release) => keys.assignment(release.node, run.id, run.current)),
  );
  const assigned = ops.flatMap((op) =>
    op.verb === 'cas' && written.has(op.key)
      ? [{ key: op.key, value: op.value, createIndex: index, modifyIndex: index, flags: 0 }]
      : [],
  );
  return { index, released, assigned };
}

/**
 * The last transaction of a run: the run and the operator's word unchanged · its result · everything else
 * of it gone · the slot free. After it nothing of the run stands outside results/. False: somebody else was first.
 */
export async function endRun(
  client: Client,
  view: RunView,
  decision: Extract<Decision, { kind: 'end' }>,
  now: number,
  reported: readonly Reported[] = reportedBy(view, decision),
): Promise<boolean> {
  const { keys } = client;
  const { run, status, reason } = decision;
  const actions = [...(run.actions ?? []), ...(view.control?.actions ?? [])];
  const control = keys.control(run.id);
  const result = await client.txn([
    { verb: 'check-index', key: keys.run(run.id), index: view.index },
    view.controlIndex === undefined
      ? { verb: 'check-not-exists', key: control }
      : { verb: 'check-index', key: control, index: view.controlIndex },
    ...reportOps(client, run, reported, now),
    {
      verb: 'set',
      key: keys.result(run.id),
      value: JSON.stringify(
        eventResult(run, status, { finishedAt: now, ...(reason === undefined ? {} : { reason }), actions }),
      ),
    },
    { verb: 'delete-tree', key: keys.progressOf(run.id) },
    { verb: 'delete', key: keys.slot(run.group, run.slot) },
    ...(view.controlIndex === undefined ? [] : [{ verb: 'delete' as const, key: control }]),
  ]);
  return result.ok;
}

/**
 * Leaves an operator's word for a run that is still what it was when he gave it: check-index of the run ·
 * cas of the control key (0: there is none). False: the run ended or went on, or another word came first.
 */
export async function setControl(
  client: Client,
  id: string,
  runIndex: number,
  control: Control,
  controlIndex: number | undefined,
): Promise<boolean> {
  const result = await client.txn([
    { verb: 'check-index', key: client.keys.run(id), index: runIndex },
    { verb: 'cas', key: client.keys.control(id), value: JSON.stringify(control), index: controlIndex ?? 0 },
  ]);
  return result.ok;
}

/** Frees a slot whose run does not exist: only a hand can have made that, and it would block the group for ever. */
export async function freeSlot(client: Client, slot: Snapshot['slots'][number]): Promise<boolean> {
  const key = client.keys.slot(slot.group, slot.slot);
  const result = await client.txn([
    { verb: 'check-index', key, index: slot.index },
    { verb: 'check-not-exists', key: client.keys.run(slot.id) },
    { verb: 'delete', key },
  ]);
  return result.ok;
}

/** A step's report with the state it is about: that in which it ended, or with which it begins. */
export interface Reported {
  readonly report: StepReport;
  readonly step: Run['step'];
}

/** The reports of one decision. */
export function reportedBy(
  view: RunView,
  decision: { readonly run: Run; readonly reports: readonly StepReport[] },
): Reported[] {
  return decision.reports.map((report) => ({
    report,
    step: report.status === 'inprogress' ? decision.run.step : view.run.step,
  }));
}

function reportOps(client: Client, run: Run, reported: readonly Reported[], now: number): Op[] {
  return reported.map(({ report, step }) => stepResultOp(client, run, report, step, now));
}

function bytesOf(op: Op): number {
  return Math.ceil(('value' in op ? Buffer.byteLength(op.value) * 4 : 0) / 3) + op.key.length + 120;
}
