import { messageOf, PermissionError, UnreachableError } from '../src/errors.js';
import { advance } from '../src/run/advance.js';
import { admission, cancelledBy, type StartRules } from '../src/run/admission.js';
import { plan, startRules, STEP_DEFAULTS } from '../src/run/plan.js';
import { rerunFault } from '../src/run/rerun.js';
import { left } from '../src/run/time.js';
import type { Candidate, Decision, FinalStatus, Limits, Observed, Run, Stamp } from '../src/run/types.js';
import { endStep } from '../src/run/sections.js';
import { wants } from '../src/run/wants.js';
import { candidates, passing } from '../src/store/catalog.js';
import type { Entry } from '../src/store/client.js';
import { assign, readClaims, settle } from '../src/store/inbox.js';
import { dismissQueued, type Queued, readQueue, rewriteQueued } from '../src/store/queue.js';
import {
  admit,
  endRun,
  freeSlot,
  newRun,
  type Reported,
  reportedBy,
  type RunView,
  saveRun,
  setControl,
  type Snapshot,
  snapshot,
} from '../src/store/runs.js';
import { type Context, type ScheduleSet, stampNow } from './context.js';

export interface DispatchOptions {
  /** Asks only for what can end the step or start an event; a full look also finds deaths and missing inbox keys. */
  readonly quick?: boolean;
  /** `after-end`: the queue is looked at only when this call ended a run; somebody else does it otherwise. */
  readonly start?: 'always' | 'after-end';
}

export interface DispatchOutcome {
  /** Ids of events that this call made runs. */
  readonly admitted: string[];
  /** Runs that this call ended, with their status. */
  readonly ended: { readonly id: string; readonly status: string }[];
  /** Transactions that changed something. */
  readonly written: number;
  /** Nodes that this call gave an assignment. */
  readonly released: readonly string[];
  /** Of those for this node, the inbox keys as a read would give them; not all of them when a step is wide. */
  readonly own: readonly Entry[];
  /** Targets of the widest step that was looked at. */
  readonly widest: number;
  /** ms after which time alone will change something, if nothing else does. */
  readonly next?: number;
  /** The token may not do what was to be done: it is left to nodes whose token may (deploy/consul). */
  readonly denied?: PermissionError;
}

/** One node's clock may differ from another's by this much before a judgement is wrong (ms). */
export const LIMITS: Limits = { maxClockSkew: 300_000 };

/** However much there is to do, one call comes to an end; the next one goes on. */
const MOST_PASSES = 1000;
/** A run of 300 steps takes about 60 KiB; beyond this it would not fit into one value with its targets. */
const LARGEST_RUN = 300 * 1024;
/** In a transaction a value travels as base64: 512 KiB of body hold so much of it. */
const LARGEST_VALUE = 380 * 1024;

/**
 * Brings every run as near to its end as it can be now, and starts the events that can start.
 * Reads, decides with a pure function, writes by compare-and-set, and repeats until there is nothing to
 * do. Whoever else does the same at the same time costs a conflict: read again.
 */
export async function dispatch(context: Context, options: DispatchOptions = {}): Promise<DispatchOutcome> {
  const admitted: string[] = [];
  const ended: { id: string; status: string }[] = [];
  const reports = createReports(context);
  let written = 0;
  let next: number | undefined;
  let widest = 0;
  const released: string[] = [];
  const own: Entry[] = [];
  for (let pass = 0; pass < MOST_PASSES && !context.signal.aborted; pass += 1) {
    // Read beside it where it is wanted anyway. An older view of the queue than of the slots costs a conflict.
    const queue = options.start === 'after-end' ? undefined : soon(readQueue(context.client));
    const seen = await snapshot(context.client);
    for (const { key, problem } of seen.broken) reports.broken(key, problem);
    let progressed = false;
    next = undefined;
    widest = Math.max(0, ...seen.runs.map((view) => view.run.step.targets.length));
    const over = new Set<string>();
    const take = async (view: RunView) => {
      const key = context.client.keys.run(view.run.id);
      const step = await reports.apart(key, () => bring(context, view, options.quick === true));
      written += step.written;
      released.push(...(step.released ?? []));
      own.push(...(step.own ?? []));
      widest = Math.max(widest, step.released?.length ?? 0);
      if (step.until !== undefined) next = Math.min(next ?? step.until, step.until);
      if (step.ended !== undefined) {
        ended.push({ id: view.run.id, status: step.ended });
        over.add(view.run.id);
      } else if (step.progressed) progressed = true;
    };
    for (const view of seen.runs) await take(view);
    if (!options.quick) progressed = (await freeOrphans(context, seen)) || progressed;
    if (progressed) continue;
    if (options.start === 'after-end' && ended.length === 0) break;
    // The slot of a run that this pass ended is free; that nobody else has taken it is for `admit` to check.
    const still = { ...seen, slots: seen.slots.filter((slot) => !over.has(slot.id)) };
    const runs = seen.runs.filter((view) => !over.has(view.run.id));
    const start = await startEvents(context, { ...still, runs }, reports, queue);
    admitted.push(...start.started.map((view) => view.run.id));
    written += start.written;
    if (start.until !== undefined) next = Math.min(next ?? start.until, start.until);
    for (const view of start.started) await take(view);
    // One that ended at once has freed its slot again.
    if (!start.progressed && !progressed && !start.started.some((view) => over.has(view.run.id))) break;
  }
  const { denied } = reports;
  if (denied !== undefined) context.log.debug(`dispatch is left to other nodes: ${denied.message}`);
  return {
    admitted,
    ended,
    written,
    widest,
    released,
    own,
    ...(next === undefined ? {} : { next }),
    ...(denied === undefined ? {} : { denied }),
  };
}

interface Reports {
  /** The first thing that the token did not allow. */
  readonly denied: PermissionError | undefined;
  /** Says once that a key cannot be read. */
  broken(key: string, problem: string): void;
  /** Does the work for one run or queue; a fault in it is said once, and does not stop the others. */
  apart<T extends Step>(key: string, work: () => Promise<T>): Promise<T | Step>;
}

const NOTHING: Step = { progressed: false, written: 0 };

function createReports(context: Context): Reports {
  const reported = new Set<string>();
  let denied: PermissionError | undefined;
  const broken = (key: string, problem: string) => {
    if (reported.has(key)) return;
    reported.add(key);
    context.log.error(`${key} ${problem}: it is passed over; repair or delete it`);
  };
  return {
    get denied() {
      return denied;
    },
    broken,
    async apart(key, work) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof UnreachableError) throw error;
        if (error instanceof PermissionError) denied ??= error;
        // Whoever may write our keys may write anything: not all of it is seen before it is used.
        else broken(key, `cannot be worked with (${messageOf(error)})`);
        return NOTHING;
      }
    },
  };
}

interface Step {
  /** Something changed, by us or by somebody else: look again. */
  readonly progressed: boolean;
  readonly written: number;
  readonly ended?: string;
  readonly released?: readonly string[];
  readonly own?: readonly Entry[];
  readonly until?: number;
}

/** So many steps of a run are decided at most before they are written: each adds to the transaction. */
const LONGEST_CHAIN = 10;

/**
 * One run, as far as it can go now, in one transaction: where a step ends, the next is looked at before
 * anything is written, so that its assignments travel with the end of the one before.
 */
async function bring(context: Context, view: RunView, quick: boolean): Promise<Step> {
  const reported: Reported[] = [];
  let current = view;
  let pending: Extract<Decision, { kind: 'write' }> | undefined;
  const seen = new Map<string, Promise<Candidate[]>>();
  for (;;) {
    const observed = await observe(context, current, quick, seen);
    // After the look: a dispatcher that was stopped in between must not date from before what it saw, and
    // call a claim unheld since a time at which it was held.
    const now = await stampNow(context);
    const decision = fitting(current.run, advance(current.run, observed, now, LIMITS), now);
    if (decision.kind === 'write' || decision.kind === 'end') {
      reported.push(...reportedBy(current, decision));
    } else if (pending !== undefined) {
      // Nothing more can be done now than what was decided before.
      return apply(context, view, pending, reported, now);
    }
    const next = decision.kind === 'write' && decision.run.current !== current.run.current;
    if (!next || reported.length >= LONGEST_CHAIN) return apply(context, view, decision, reported, now);
    pending = decision;
    // A step that nobody has looked at has no outcomes.
    current = { ...view, run: decision.run, outcomes: new Map() };
  }
}

/** A step whose targets do not fit into one value ends with an error that says so: it could never be written. */
function fitting(run: Run, decision: Decision, now: Stamp): Decision {
  if (decision.kind !== 'write' || decision.run.step.targets.length < 1000) return decision;
  const size = Buffer.byteLength(JSON.stringify(decision.run));
  if (size <= LARGEST_VALUE) return decision;
  const reason = `its ${decision.run.step.targets.length} targets take ${Math.ceil(size / 1024)} KiB, and Consul takes ${LARGEST_VALUE / 1024}: use serial, or a tag for each part`;
  return endStep(run, { status: 'error', reason }, now);
}

async function observe(
  context: Context,
  view: RunView,
  quick: boolean,
  seen: Map<string, Promise<Candidate[]>>,
): Promise<Observed> {
  const { run, outcomes, control } = view;
  const base = { outcomes, ...(control === undefined ? {} : { control }) };
  const wanted = wants(run, base, quick);
  const spec = run.steps[run.current];
  if (spec === undefined) return base;
  const warn = (text: string) => context.log.warn(text);
  const open = run.step.targets.filter((node) => {
    const status = outcomes.get(node)?.status;
    return status === undefined || status === 'inprogress' || status === 'lost';
  });
  // Steps of one service share one look at the catalog.
  const lookUp = () => {
    const key = JSON.stringify([spec.service, spec.tag]);
    const found = seen.get(key) ?? candidates(context.client, spec, warn);
    seen.set(key, found);
    return found;
  };
  const [nodes, claims, gates] = await Promise.all([
    wanted.candidates ? lookUp() : undefined,
    wanted.claims ? readClaims(context.client, run.id, spec.no, open) : undefined,
    wanted.gates
      ? Promise.all((spec.waitFor ?? []).map((gate) => passing(context.client, gate.service, gate.tag)))
      : undefined,
  ]);
  return {
    ...base,
    ...(nodes === undefined ? {} : { candidates: nodes }),
    ...(claims === undefined ? {} : { claims }),
    ...(gates === undefined ? {} : { gates }),
  };
}

async function apply(
  context: Context,
  view: RunView,
  decision: Decision,
  reported: readonly Reported[],
  now: Stamp,
): Promise<Step> {
  const { client, log } = context;
  const { run } = view;
  switch (decision.kind) {
    case 'wait':
      return {
        progressed: false,
        written: 0,
        ...(decision.until === undefined ? {} : { until: decision.until }),
      };
    case 'settle': {
      let written = 0;
      for (const settlement of decision.settlements) {
        if (await settle(client, run, view.index, settlement, now.at)) {
          written += 1;
          log.warn(
            `event ${run.event} (${run.id}) step ${run.current}: ${settlement.node} ${settlement.status}: ${settlement.reason}`,
          );
        }
      }
      return { progressed: true, written };
    }
    case 'assign': {
      const done = await assign(client, run, view.index, decision.releases);
      log.info(
        `event ${run.event} (${run.id}) step ${run.current}: assigned again to ${decision.releases.map((one) => one.node).join(', ')}`,
      );
      return { progressed: true, written: done ? 1 : 0, released: decision.releases.map((one) => one.node) };
    }
    case 'write': {
      const saved = await saveRun(client, view, decision, now.at, reported);
      if (saved === undefined) return { progressed: true, written: 0 };
      const rest = decision.releases.slice(saved.released);
      if (rest.length > 0) await assign(client, decision.run, saved.index, rest);
      tell(context, decision.run, reported);
      // Targets that have just been released cannot have ended: their finishers look.
      const released = decision.releases.map((one) => one.node);
      const mine = client.keys.inbox(now.by);
      const own = saved.assigned.filter((entry) => entry.key.startsWith(mine));
      return { progressed: released.length === 0, written: 1, released, own };
    }
    case 'end': {
      const done = await endRun(client, view, decision, now.at, reported);
      if (!done) return { progressed: true, written: 0 };
      log.info(
        `event ${run.event} (${run.id}) ended: ${decision.status}${decision.reason === undefined ? '' : `, ${decision.reason}`}`,
      );
      return { progressed: true, written: 1, ended: decision.status };
    }
  }
}

function tell(context: Context, run: Run, reported: readonly Reported[]): void {
  for (const { report, step } of reported) {
    const spec = run.steps[report.no];
    const what = `event ${run.event} (${run.id}) step ${report.no} ${spec?.task ?? ''}`;
    if (report.status === 'inprogress') context.log.info(`${what} starts on ${step.targets.join(', ')}`);
    else
      context.log.info(
        `${what} ended: ${report.status}${report.reason === undefined ? '' : `, ${report.reason}`}`,
      );
  }
}

/** A slot whose run is gone blocks its group; the snapshot shows both at one instant. */
async function freeOrphans(context: Context, seen: Snapshot): Promise<boolean> {
  const runs = new Set(seen.runs.map((view) => view.run.id));
  const broken = new Set(seen.broken.map(({ key }) => key));
  let freed = false;
  for (const slot of seen.slots) {
    // A run that cannot be read is not gone: its slot stays, so that nothing starts beside it.
    if (runs.has(slot.id) || broken.has(context.client.keys.run(slot.id))) continue;
    if (await freeSlot(context.client, slot)) {
      context.log.error(
        `slot ${slot.slot} of group ${slot.group} was held by event ${slot.id}, which has no run: it is free again`,
      );
      freed = true;
    }
  }
  return freed;
}

// Starting events -----------------------------------------------------------------------------------

interface Start extends Step {
  /** The runs that the events became, as they were written. */
  readonly started: readonly RunView[];
}

interface Started extends Step {
  readonly started?: RunView;
}

/** Begun before anybody waits for it: a failure is thrown to whoever does, and is nobody's until then. */
function soon<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}

/** In each group that has a free slot, starts the first event that may start. */
async function startEvents(
  context: Context,
  seen: Snapshot,
  reports: Reports,
  read: ReturnType<typeof readQueue> | undefined,
): Promise<Start> {
  let seenQueue = await (read ?? readQueue(context.client));
  // An event seen waiting before the runs were read may be one of them, or be over, and must not cancel any.
  if (read !== undefined && seenQueue.queue.some(({ event }) => event.CancelInProgress))
    seenQueue = await readQueue(context.client);
  const { queue, broken } = seenQueue;
  for (const { key, problem } of broken) reports.broken(key, problem);
  const started: RunView[] = [];
  let written = 0;
  const cancelled = await reports.apart(context.client.keys.controls, async () => ({
    progressed: await cancelInProgress(context, seen, queue),
    written: 0,
  }));
  let { progressed } = cancelled;
  let until: number | undefined;
  const groups = [...new Set(queue.map((queued) => queued.event.Group))];
  for (const group of groups) {
    const waiting = queue.filter((queued) => queued.event.Group === group);
    const slotFor = (limit: number) => freeSlotOf(seen, group, limit);
    // Nothing of this group can start: do not read the schedule files for it.
    if (slotFor(Math.max(...waiting.map(({ event }) => event.Limit))) === undefined) continue;
    const head = context.client.keys.queued(waiting[0]?.event.ID ?? '');
    const start: Started = await reports.apart(head, () => startIn(context, waiting, slotFor));
    if (start.progressed) progressed = true;
    if (start.started !== undefined) started.push(start.started);
    if (start.until !== undefined) until = Math.min(until ?? start.until, start.until);
    written += start.written;
  }
  return { started, written, progressed, ...(until === undefined ? {} : { until }) };
}

/** A queued event with `cancel_in_progress` ends the runs of its name and group. */
async function cancelInProgress(
  context: Context,
  seen: Snapshot,
  queue: readonly Queued[],
): Promise<boolean> {
  let written = false;
  if (seen.runs.length === 0 || !queue.some(({ event }) => event.CancelInProgress)) return false;
  const views = new Map(seen.runs.map((view) => [view.run.id, view]));
  const runs = seen.runs.map((view) => view.run);
  const rules = await rulesHere(context);
  for (const { run, by } of cancelledBy(queue, runs, rules, context.now())) {
    const view = views.get(run.id);
    if (view === undefined || (view.control?.cancel ?? 0) > 0 || view.run.cancelled !== undefined) continue;
    const reason = `event ${by.Name} (${by.ID}) came, and has cancel_in_progress`;
    const action = {
      what: 'cancel',
      user: 'metronome',
      host: await context.node(),
      at: new Date(context.now()).toISOString(),
      reason,
    };
    const control = { ...view.control, cancel: 1, actions: [...(view.control?.actions ?? []), action] };
    if (await setControl(context.client, run.id, view.index, control, view.controlIndex)) {
      context.log.info(`event ${run.event} (${run.id}) is cancelled: ${reason}`);
      written = true;
    }
  }
  return written;
}

/** What this node's files say about starting an event; with a broken one it leaves all of them to others. */
async function rulesHere(context: Context): Promise<(event: string) => StartRules> {
  const { schedules, problems } = await context.schedules();
  return (event) => (problems.length > 0 ? { planned: false } : startRules(schedules, event));
}

async function startIn(
  context: Context,
  waiting: readonly Queued[],
  slotFor: (limit: number) => number | undefined,
): Promise<Started> {
  const now = await stampNow(context);
  const set = await context.schedules();
  const next = admission(waiting, await rulesHere(context), now.at);
  switch (next.kind) {
    case 'wait':
      return { progressed: false, written: 0, ...(next.until === undefined ? {} : { until: next.until }) };
    case 'unplanned':
      return leaveToOthers(context, next.queued, set, now);
    case 'superseded':
      return dismissed(context, next.queued, now, 'cancelled', `superseded by ${next.by.event.ID}`, next.by);
    case 'start': {
      // Each event says itself how many may run beside it.
      const slot = slotFor(next.queued.event.Limit);
      if (slot === undefined) return { progressed: false, written: 0 };
      // Those that are merged go first: until the last of them is gone, the one they became waits.
      let written = 0;
      for (const merged of next.merged) {
        const step = await dismissed(
          context,
          merged,
          now,
          'skip',
          `became one run with ${next.queued.event.ID} (buffer_period)`,
          next.queued,
        );
        if (step.written === 0) return step;
        written += 1;
      }
      const start = await startOne(context, next.queued, set, slot, now);
      // Where more than one may run, another may start: look again. Else the group is full now.
      const more = start.started !== undefined && waiting.some(({ event }) => event.Limit > 1);
      return { ...start, progressed: start.progressed || more, written: start.written + written };
    }
  }
}

async function dismissed(
  context: Context,
  queued: Queued,
  now: Stamp,
  status: FinalStatus,
  reason: string,
  by?: Queued,
): Promise<Step> {
  const { event } = queued;
  const done = await dismissQueued(context.client, queued, now.at, status, reason, by);
  if (done) {
    const line = `event ${event.Name} (${event.ID}) ended: ${status}, ${reason}`;
    if (status === 'error') context.log.error(line);
    else context.log.info(line);
  }
  return { progressed: true, written: done ? 1 : 0 };
}

function freeSlotOf(seen: Snapshot, group: string, limit: number): number | undefined {
  const used = new Set(seen.slots.filter((slot) => slot.group === group).map((slot) => slot.slot));
  if (used.size >= limit) return undefined;
  for (let slot = 0; slot < limit; slot += 1) if (!used.has(slot)) return slot;
  return undefined;
}

async function startOne(
  context: Context,
  queued: Queued,
  set: ScheduleSet,
  slot: number,
  now: Stamp,
): Promise<Started> {
  const { client, log, config } = context;
  const { event } = queued;
  const steps = plan(set.schedules, event.Name, config.skippable) ?? [];
  const fault = rerunFault(event.Rerun, steps);
  if (fault !== undefined) return dismissed(context, queued, now, 'error', fault);
  const run = newRun(event, steps, slot, now);
  const size = Buffer.byteLength(JSON.stringify(run));
  if (size > LARGEST_RUN) {
    const reason = `its ${steps.length} steps and its data take ${Math.ceil(size / 1024)} KiB; a run may take ${LARGEST_RUN / 1024} KiB`;
    return dismissed(context, queued, now, 'error', reason);
  }
  const index = await admit(client, queued, run);
  if (index === undefined) return { progressed: true, written: 0 };
  log.info(`event ${event.Name} (${event.ID}) starts, ${steps.length} step${steps.length === 1 ? '' : 's'}`);
  return { progressed: false, written: 1, started: { run, index, outcomes: new Map() } };
}

/** Nobody can plan the event here. Another node may; after `start_timeout` at the head it ends as an error. */
async function leaveToOthers(context: Context, queued: Queued, set: ScheduleSet, now: Stamp): Promise<Step> {
  const { event } = queued;
  const why =
    set.problems.length > 0
      ? `the schedule files of ${now.by} are broken`
      : `no schedule file of ${now.by} defines it`;
  if (event.Unplanned === undefined) {
    context.log.warn(`event ${event.Name} (${event.ID}) is left to other nodes: ${why}`);
    const done = await rewriteQueued(context.client, queued, { ...event, Unplanned: now });
    // Nothing more can be done about it now, whoever wrote the mark.
    return { progressed: false, written: done ? 1 : 0, until: STEP_DEFAULTS.startTimeout };
  }
  const rest = left(event.Unplanned, STEP_DEFAULTS.startTimeout, now, LIMITS.maxClockSkew);
  if (rest > 0) return { progressed: false, written: 0, until: rest };
  const reason = `no node could plan it for ${STEP_DEFAULTS.startTimeout / 1000} s: no schedule file defines it where dispatch runs, or the files are broken (metronome validate)`;
  return dismissed(context, queued, now, 'error', reason);
}
