/**
 * The heart of metronome: from a run, what is seen of the world, and the clock, to what is to be done.
 * Pure. Called by any dispatcher on any node at any time; it decides from the state alone, never from
 * what happened before, so a repeated or late call decides the same or waits.
 */
import { batchSize, compare, inOrder, quorumOf } from './batches.js';
import { endStep } from './sections.js';
import { judge, type Verdict } from './judge.js';
import { duration, elapsed, left } from './time.js';
import type {
  Candidate,
  Decision,
  FinalStatus,
  Limits,
  Mark,
  Observed,
  Release,
  Run,
  Settlement,
  Stamp,
  StepSpec,
  StepState,
} from './types.js';

/** A claim that is still held this long after its task had to be over is written off (ms beyond grace and lost_grace). */
const OBEDIENCE = 120_000;

/**
 * One step of a run nearer to its end.
 * @param now the caller's clock and node.
 * Never throws; never decides from what it was not shown: where `observed` lacks something it waits.
 */
export function advance(run: Run, observed: Observed, now: Stamp, limits: Limits): Decision {
  const spec = run.steps[run.current];
  if (spec === undefined) return endStep(run, undefined, now);
  const view: View = { run, spec, step: run.step, observed, now, skew: limits.maxClockSkew };
  const cancel = obeyCancel(view);
  if (cancel !== undefined) return cancel;
  switch (run.step.phase) {
    case 'waiting':
      return waiting(view);
    case 'running':
      return running(view);
    case 'stopping':
      return stopping(view);
  }
}

interface View {
  readonly run: Run;
  readonly spec: StepSpec;
  readonly step: StepState;
  readonly observed: Observed;
  readonly now: Stamp;
  readonly skew: number;
}

// Cancel ------------------------------------------------------------------------------------------

/** The first cancel ends the main and rescue steps; one more ends the `always` steps too. */
function obeyCancel(view: View): Decision | undefined {
  const { run, spec, step, observed, now } = view;
  const asked = observed.control?.cancel ?? 0;
  const obeyed = run.cancelled?.count ?? 0;
  if (asked <= obeyed) return undefined;
  const cancelled = { no: run.cancelled?.no ?? spec.no, count: asked };
  const marked: Run = { ...run, cancelled };
  // A first cancel that comes while an `always` step runs lets it finish: that is what `always` is for.
  if (spec.section === 'always' && asked < 2) return write({ ...marked, failure: failureOf(marked, spec) });
  if (step.phase === 'waiting') return endStep(marked, { status: 'cancelled', reason: 'cancelled' }, now);
  if (step.phase === 'stopping') return write(marked);
  return stop({ ...view, run: marked }, 'cancelled', 'cancelled');
}

function failureOf(run: Run, spec: StepSpec): NonNullable<Run['failure']> {
  return run.failure ?? { status: 'cancelled', reason: 'cancelled', no: spec.no };
}

// Waiting for targets and gates ---------------------------------------------------------------------

function waiting(view: View): Decision {
  const { run, spec, step, observed, now, skew } = view;
  const when = stepsCondition(run, spec);
  if (when !== undefined) return endStep(run, { status: 'skip', reason: when }, now);
  if (observed.control?.pause) return gate(view, 'paused');
  if (spec.approve && spec.canary === undefined && !approved(view)) return gate(view, 'waiting for approval');
  // A pause or an approval holds the clock: the step's waiting time starts when the gate opens.
  if (step.gate === 'paused' || step.gate === 'waiting for approval') {
    return write({ ...run, step: { ...withoutGate(step), since: now } });
  }
  const rest = left(step.since, spec.startTimeout, now, skew);

  const closed = closedGate(view);
  if (closed === 'unknown') return { kind: 'wait', why: 'the services to wait for were not looked up' };
  if (closed !== undefined) {
    if (rest > 0) return gate(view, closed, rest);
    return endStep(run, { status: 'timeout', reason: `${closed} for ${duration(spec.startTimeout)}` }, now);
  }

  if (observed.candidates === undefined) return { kind: 'wait', why: 'the catalog was not asked' };
  const { pool, skipped } = eligible(view, observed.candidates);
  if (pool.length === 0) {
    const reasons = Object.values(skipped);
    if (reasons.length > 0) {
      return endStep(
        { ...run, step: { ...step, skipped } },
        { status: 'skip', reason: reasons[0] as string },
        now,
      );
    }
    if (rest > 0) return gate(view, `waiting for a node with ${where(spec)}`, rest);
    const reason = `no node has had ${where(spec)} for ${duration(spec.startTimeout)}`;
    return endStep(run, { status: spec.skippable ? 'skip' : 'timeout', reason }, now);
  }
  if (spec.quorum !== undefined) {
    const alive = pool.filter((candidate) => candidate.alive).length;
    const needed = quorumOf(spec.quorum, pool.length);
    if (alive < needed) {
      const reason = `quorum: ${alive} of ${needed} nodes with ${where(spec)} present`;
      if (rest > 0) return gate(view, reason, rest);
      return endStep(run, { status: 'error', reason: `${reason} after ${duration(spec.startTimeout)}` }, now);
    }
  }
  const names = inOrder(
    pool.map((candidate) => candidate.node),
    spec,
    run.id,
  );
  const first = names.slice(0, batchSize(spec, 0, names.length));
  const next: StepState = {
    phase: 'running',
    since: now,
    targets: first,
    batches: [first.length],
    marks: downMarks(view, first, {}),
    ...(Object.keys(skipped).length > 0 ? { skipped } : {}),
  };
  return {
    kind: 'write',
    run: { ...run, step: next },
    reports: [{ no: spec.no, status: 'inprogress' }],
    releases: first.map((node) => ({ node, attempt: 1 })),
  };
}

/** The reason why `when.steps` leaves the whole step out, or undefined. */
function stepsCondition(run: Run, spec: StepSpec): string | undefined {
  for (const [task, statuses] of Object.entries(spec.when?.steps ?? {})) {
    const earlier = run.ended.filter((end) => run.steps[end.no]?.task === task).at(-1);
    const status = earlier?.status ?? 'none';
    if (!statuses.includes(status)) return `when: step ${task} ended ${status}, not ${statuses.join(' or ')}`;
  }
  return undefined;
}

/** Which `wait_for` gate is closed, in words; undefined when all are open. */
function closedGate(view: View): string | undefined {
  const { spec, observed } = view;
  for (const [at, gateSpec] of (spec.waitFor ?? []).entries()) {
    const seen = observed.gates?.[at];
    if (seen === undefined) return 'unknown';
    const needed = gateSpec.passing === 'all' ? Math.max(1, seen.all) : gateSpec.passing;
    if (seen.passing < needed) {
      return `waiting for ${needed} passing of ${where(gateSpec)}, ${seen.passing} now`;
    }
  }
  return undefined;
}

// Running -----------------------------------------------------------------------------------------

function running(view: View): Decision {
  const { run, spec, step, observed, now, skew } = view;
  const marks = marksNow(view);
  const marked: View = { ...view, step: { ...step, marks } };

  const settlements = deaths(marked);
  if (settlements.length > 0) return { kind: 'settle', settlements };

  const verdicts = new Map(step.targets.map((node) => [node, judge(marked, node)]));
  const retries = retried(marked, verdicts);
  if (retries.length > 0) return { kind: 'assign', releases: retries };

  const total = totalTargets(marked);
  const failed = [...verdicts.values()].filter((verdict) => verdict.kind === 'done' && !verdict.ok).length;
  const open = step.targets.filter((node) => verdicts.get(node)?.kind !== 'done');

  if (failed > 0 && spec.anyErrorsFatal && !spec.ignoreErrors && open.length > 0) {
    return stop(marked, 'error', `${firstFailure(marked, verdicts)}; any_errors_fatal ends the others`);
  }
  if (open.length > 0 && left(step.since, spec.stepTimeout, now, skew) === 0) {
    return stop(marked, 'timeout', `${unfinished(marked, open)} after ${duration(spec.stepTimeout)}`);
  }
  const missing = missingReleases(marked, verdicts);
  if (missing.length > 0) return { kind: 'assign', releases: missing };

  const joiners = joining(marked);
  if (joiners.length > 0 && !halted(view)) return release(marked, joiners, true);

  const held = open.filter((node) => verdicts.get(node)?.kind === 'held');
  if (held.length > 0 && held.length === open.length) {
    return gate(
      marked,
      `${held.join(', ')} lost: waiting for an operator (approve runs it again, cancel ends the run)`,
    );
  }
  if (open.length > 0)
    return changedOr(marked, { kind: 'wait', why: 'targets are at work', ...untilNext(marked, open) });

  // Every target released so far is done.
  if (observed.candidates === undefined && !spec.runOnce) {
    return changedOr(marked, { kind: 'wait', why: 'the catalog was not asked for nodes that joined' });
  }
  const fatal = fatalFailures(marked, failed, total);
  if (fatal) return endStep({ ...run, step: marked.step }, endOf(marked, verdicts), now);
  const pool = restOfPool(marked);
  const size = batchSize(spec, step.batches.length, total);
  if (pool.length === 0 || size === 0)
    return endStep({ ...run, step: marked.step }, endOf(marked, verdicts), now);

  if (observed.control?.pause) return gate(marked, 'paused');
  if (spec.canary !== undefined && step.batches.length === 1 && spec.approve && !approved(view)) {
    return gate(marked, 'canary done: waiting for approval');
  }
  return release(marked, pool.slice(0, size), false);
}

/** Marks as they are now: who is down, whose claim nobody holds, who is healthy since when. */
function marksNow(view: View): Readonly<Record<string, Mark>> {
  const { spec, step, observed, now } = view;
  let marks: Record<string, Mark> = { ...step.marks };
  marks = downMarks(view, step.targets, marks);
  const candidates = observed.candidates && new Map(observed.candidates.map((c) => [c.node, c]));
  for (const node of step.targets) {
    const outcome = observed.outcomes.get(node);
    const mark: { -readonly [K in keyof Mark]: Mark[K] } = { ...marks[node] };
    if (outcome?.status === 'inprogress') {
      if (observed.claims !== undefined) {
        const claim = observed.claims.get(node);
        if (claim?.held) delete mark.unheld;
        else {
          const index = claim?.index ?? 0;
          if (mark.unheld?.index !== index) mark.unheld = { ...now, index };
        }
      }
    } else delete mark.unheld;
    if (spec.healthCheck && outcome?.status === 'success' && !mark.settled) {
      mark.watched ??= now;
      if (candidates !== undefined) {
        const candidate = candidates.get(node);
        if (candidate?.alive && candidate.passing) mark.healthy ??= now;
        else delete mark.healthy;
      }
      if (mark.healthy && elapsed(mark.healthy, now, view.skew) >= spec.healthCheck.minHealthyTime) {
        mark.settled = true;
      }
    }
    if (Object.keys(mark).length > 0) marks[node] = mark;
    else delete marks[node];
  }
  return same(marks, step.marks) ? step.marks : marks;
}

/** Notes since when targets that have not begun are out of reach; forgets it of those that came back. */
function downMarks(
  view: View,
  targets: readonly string[],
  from: Readonly<Record<string, Mark>>,
): Record<string, Mark> {
  const marks = { ...from };
  const candidates = view.observed.candidates;
  if (candidates === undefined) return marks;
  const reachable = new Set(
    candidates.filter((candidate) => candidate.alive).map((candidate) => candidate.node),
  );
  for (const node of targets) {
    const { down, ...rest } = marks[node] ?? {};
    const begun = view.observed.outcomes.has(node);
    if (!begun && !reachable.has(node)) marks[node] = { ...rest, down: down ?? view.now };
    else if (Object.keys(rest).length > 0) marks[node] = rest;
    else delete marks[node];
  }
  return marks;
}

/** Outcomes that the dispatcher writes itself: unreachable, lost, unhealthy. */
function deaths(view: View): Settlement[] {
  const { spec, step, observed, now, skew } = view;
  const settlements: Settlement[] = [];
  for (const node of step.targets) {
    const mark = step.marks[node];
    if (mark === undefined) continue;
    const outcome = observed.outcomes.get(node);
    const claim = observed.claims?.get(node);
    if (outcome === undefined && mark.down && observed.claims && !claim?.held) {
      if (left(mark.down, spec.startTimeout, now, skew) > 0) continue;
      settlements.push({
        node,
        status: 'error',
        reason: `unreachable: its Consul agent has been down for ${duration(spec.startTimeout)}`,
        unreachable: true,
        attempt: 1,
        outcomeIndex: 0,
        ...(claim ? { inboxIndex: claim.index } : {}),
      });
    } else if (outcome?.status === 'inprogress' && mark.unheld && observed.claims && !claim?.held) {
      if (left(mark.unheld, spec.lostGrace, now, skew) > 0) continue;
      settlements.push(lost(node, outcome, claim?.index));
    } else if (outcome?.status === 'success' && mark.watched && !mark.settled && spec.healthCheck) {
      if (left(mark.watched, spec.healthCheck.healthyDeadline, now, skew) > 0) continue;
      settlements.push({
        node,
        status: 'error',
        reason: `unhealthy: its checks did not pass for ${duration(spec.healthCheck.minHealthyTime)} within ${duration(spec.healthCheck.healthyDeadline)}`,
        attempt: outcome.attempt,
        outcomeIndex: outcome.index,
      });
    }
  }
  return settlements;
}

function lost(
  node: string,
  outcome: { attempt: number; index: number },
  inboxIndex: number | undefined,
): Settlement {
  return {
    node,
    status: 'lost',
    reason: 'lost',
    attempt: outcome.attempt,
    outcomeIndex: outcome.index,
    ...(inboxIndex === undefined ? {} : { inboxIndex }),
  };
}

/** Lost targets that are to run again, and whose inbox key is not there yet. */
function retried(view: View, verdicts: ReadonlyMap<string, Verdict>): Release[] {
  const { observed } = view;
  const releases: Release[] = [];
  for (const [node, verdict] of verdicts) {
    const outcome = observed.outcomes.get(node);
    if (verdict.kind !== 'again' || outcome === undefined) continue;
    // Without a look at the inbox it may be there already; the next full look tells.
    if (observed.claims === undefined || observed.claims.has(node)) continue;
    releases.push({ node, attempt: outcome.attempt + 1, outcomeIndex: outcome.index });
  }
  return releases;
}

/** Targets that were released and have neither an outcome nor an inbox key: whoever released them died in between. */
function missingReleases(view: View, verdicts: ReadonlyMap<string, Verdict>): Release[] {
  const { observed, step } = view;
  const claims = observed.claims;
  if (claims === undefined) return [];
  return step.targets
    .filter(
      (node) => verdicts.get(node)?.kind === 'open' && !observed.outcomes.has(node) && !claims.has(node),
    )
    .map((node) => ({ node, attempt: 1 }));
}

/** Nodes that came to match while the step runs and fit into the batch that runs (rule 4). */
function joining(view: View): string[] {
  const { spec, step } = view;
  if (spec.runOnce) return [];
  const size = batchSize(spec, step.batches.length - 1, totalTargets(view));
  // With `serial` a node that joins goes to a later batch, so that a batch is never exceeded.
  if (size !== Number.POSITIVE_INFINITY) return [];
  return restOfPool(view);
}

function restOfPool(view: View): string[] {
  const { run, spec, step, observed } = view;
  const known = new Set(step.targets);
  const { pool } = eligible(view, observed.candidates ?? []);
  return inOrder(
    pool.map((candidate) => candidate.node).filter((node) => !known.has(node)),
    spec,
    run.id,
  );
}

/** How many targets the step has in all, as far as is known now. */
function totalTargets(view: View): number {
  return view.step.targets.length + (view.spec.runOnce ? 0 : restOfPool(view).length);
}

function release(view: View, nodes: readonly string[], joins: boolean): Decision {
  const { run, step } = view;
  const last = step.batches.length - 1;
  const batches = joins
    ? step.batches.map((size, at) => (at === last ? size + nodes.length : size))
    : [...step.batches, nodes.length];
  const targets = [...step.targets, ...nodes];
  const next: StepState = {
    ...withoutGate(step),
    targets,
    batches,
    marks: downMarks(view, nodes, step.marks),
  };
  return {
    kind: 'write',
    run: { ...run, step: next },
    reports: [],
    releases: nodes.map((node) => ({ node, attempt: 1 })),
  };
}

/** No more targets are released: paused, or a failure has already decided the step. */
function halted(view: View): boolean {
  return view.observed.control?.pause === true;
}

function fatalFailures(view: View, failed: number, total: number): boolean {
  const { spec, step } = view;
  if (failed === 0 || spec.ignoreErrors) return false;
  // A canary is there to be trusted: one that fails ends the step, whatever share may fail later.
  if (spec.canary !== undefined && step.batches.length === 1) return true;
  if (spec.anyErrorsFatal || spec.maxFailPercentage === undefined) return true;
  return (failed * 100) / total > spec.maxFailPercentage;
}

function endOf(
  view: View,
  verdicts: ReadonlyMap<string, Verdict>,
): { status: FinalStatus; reason?: string; ignored?: true } {
  const { spec, step } = view;
  const done = [...verdicts.values()].filter((verdict) => verdict.kind === 'done');
  const bad = done.filter((verdict) => !verdict.ok);
  if (bad.length === 0) {
    const skippedOnly = done.length > 0 && done.every((verdict) => verdict.status === 'skip');
    return skippedOnly ? { status: 'skip', reason: 'skipped on all its targets' } : { status: 'success' };
  }
  const reason = firstFailure(view, verdicts);
  const total = totalTargets(view);
  if (!fatalFailures(view, bad.length, total) && !spec.ignoreErrors) {
    return {
      status: 'success',
      reason: `${bad.length} of ${total} failed, within max_fail_percentage; ${reason}`,
    };
  }
  const statuses = new Set(bad.map((verdict) => verdict.status));
  const status: FinalStatus = statuses.has('error')
    ? 'error'
    : statuses.has('timeout')
      ? 'timeout'
      : 'cancelled';
  const unreleased = spec.runOnce ? 0 : total - step.targets.length;
  const rest = unreleased > 0 ? `; ${unreleased} not started` : '';
  return { status, reason: reason + rest, ...(spec.ignoreErrors ? { ignored: true as const } : {}) };
}

/** The first failure in words, and how many more there are. */
function firstFailure(view: View, verdicts: ReadonlyMap<string, Verdict>): string {
  const bad = view.step.targets.filter((node) => {
    const verdict = verdicts.get(node);
    return verdict?.kind === 'done' && !verdict.ok;
  });
  const first = bad[0];
  if (first === undefined) return '';
  const outcome = view.observed.outcomes.get(first);
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : '';
  return `${first}: ${outcome?.reason ?? outcome?.status ?? 'failed'}${more}`;
}

function unfinished(view: View, open: readonly string[]): string {
  const claimed = open.filter((node) => view.observed.outcomes.has(node));
  const unclaimed = open.filter((node) => !view.observed.outcomes.has(node));
  const parts: string[] = [];
  if (claimed.length > 0) parts.push(`${list(claimed)} did not finish`);
  if (unclaimed.length > 0) parts.push(`${list(unclaimed)} did not start (is metronome running there?)`);
  return parts.join('; ');
}

// Stopping ----------------------------------------------------------------------------------------

/** No claim passes any more (each checks the run's index); held ones end their tasks; the rest is settled here. */
function stop(view: View, status: FinalStatus, reason: string): Decision {
  const { run, step, now } = view;
  return write({
    ...run,
    step: { ...withoutGate(step), phase: 'stopping', stop: { status, reason, since: now } },
  });
}

function stopping(view: View): Decision {
  const { run, spec, step, observed, now, skew } = view;
  const why = step.stop ?? { status: 'cancelled' as const, reason: 'cancelled', since: step.since };
  if (observed.claims === undefined) return { kind: 'wait', why: 'the claims were not looked at' };
  const marked: View = { ...view, step: { ...step, marks: marksNow(view) } };
  const settlements: Settlement[] = [];
  const held: string[] = [];
  const overdue = left(why.since, spec.grace + spec.lostGrace + OBEDIENCE, now, skew) === 0;
  for (const node of step.targets) {
    const outcome = observed.outcomes.get(node);
    const claim = observed.claims.get(node);
    const inbox = claim ? { inboxIndex: claim.index } : {};
    if (outcome === undefined) {
      const reason = `${why.status === 'timeout' ? 'did not start in time' : 'did not start'}: ${why.reason}`;
      const status = why.status === 'timeout' ? ('timeout' as const) : ('cancelled' as const);
      settlements.push({ node, status, reason, attempt: 1, outcomeIndex: 0, ...inbox });
    } else if (outcome.status === 'inprogress') {
      held.push(node);
      const unheld = marked.step.marks[node]?.unheld;
      if (unheld && left(unheld, spec.lostGrace, now, skew) === 0)
        settlements.push(lost(node, outcome, claim?.index));
      else if (overdue) settlements.push({ ...lost(node, outcome, claim?.index), force: true });
    } else if (claim !== undefined && !claim.held) {
      // A further attempt was released and not begun.
      settlements.push({
        node,
        status: outcome.status,
        reason: outcome.reason ?? '',
        attempt: outcome.attempt,
        outcomeIndex: outcome.index,
        ...inbox,
      });
    }
  }
  if (settlements.length > 0) return { kind: 'settle', settlements };
  if (held.length > 0)
    return changedOr(marked, { kind: 'wait', why: `${list(held)} still at work`, until: 1000 });
  return endStep(run, { status: why.status, reason: why.reason }, now);
}

// Shared ------------------------------------------------------------------------------------------

/** The candidates that this step is for, without those that `when` or a rerun leaves out. */
function eligible(
  view: View,
  candidates: readonly Candidate[],
): { pool: Candidate[]; skipped: Record<string, string> } {
  const { run, spec } = view;
  const done = new Set(run.rerun?.Done[String(spec.no)] ?? []);
  const pool: Candidate[] = [];
  const skipped: Record<string, string> = {};
  for (const candidate of candidates) {
    const reason = done.has(candidate.node) ? `done in ${run.rerun?.Of}` : nodeCondition(spec, candidate);
    if (reason === undefined) pool.push(candidate);
    else skipped[candidate.node] = reason;
  }
  return { pool, skipped };
}

function nodeCondition(spec: StepSpec, candidate: Candidate): string | undefined {
  const missing = spec.when?.tags?.find((tag) => !candidate.tags.includes(tag));
  if (missing !== undefined) return `when: no tag ${missing}`;
  for (const [key, values] of Object.entries(spec.when?.meta ?? {})) {
    const value = candidate.meta[key];
    if (value === undefined || !values.includes(value)) return `when: meta ${key} is ${value ?? 'not set'}`;
  }
  return undefined;
}

function approved(view: View): boolean {
  return (view.observed.control?.approve?.[String(view.spec.no)] ?? 0) > 0;
}

function write(run: Run): Decision {
  return { kind: 'write', run, reports: [], releases: [] };
}

/** Holds the phase and notes why, once, so that `status` can tell. */
function gate(view: View, reason: string, until?: number): Decision {
  const { run, step } = view;
  const wait: Decision = { kind: 'wait', why: reason, ...(until === undefined ? {} : { until }) };
  if (step.gate === reason) return changedOr(view, wait);
  return write({ ...run, step: { ...step, gate: reason } });
}

/** Writes the run when its marks changed; otherwise the decision given. */
function changedOr(view: View, otherwise: Decision): Decision {
  if (view.step.marks === view.run.step.marks) return otherwise;
  return write({ ...view.run, step: view.step });
}

function withoutGate(step: StepState): StepState {
  const { gate: _, ...rest } = step;
  return rest;
}

/** The soonest instant at which time alone changes something for these targets. */
function untilNext(view: View, open: readonly string[]): { until?: number } {
  const { spec, step, now, skew } = view;
  const limits = [left(step.since, spec.stepTimeout, now, skew)];
  for (const node of open) {
    const mark = step.marks[node];
    if (mark?.down) limits.push(left(mark.down, spec.startTimeout, now, skew));
    if (mark?.unheld) limits.push(left(mark.unheld, spec.lostGrace, now, skew));
    if (spec.healthCheck && mark?.healthy)
      limits.push(left(mark.healthy, spec.healthCheck.minHealthyTime, now, skew));
    if (spec.healthCheck && mark?.watched)
      limits.push(Math.min(1000, left(mark.watched, spec.healthCheck.healthyDeadline, now, skew)));
  }
  return { until: Math.min(...limits) };
}

/** `service app, tag web` or `the metronome service`. */
function where(spec: { service?: string; tag?: string }): string {
  if (spec.service === undefined) return 'metronome';
  return spec.tag === undefined ? `service ${spec.service}` : `service ${spec.service} and tag ${spec.tag}`;
}

/** Up to five names, and how many more. */
function list(nodes: readonly string[]): string {
  const names = [...nodes].sort(compare);
  return names.length <= 5
    ? names.join(', ')
    : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}

function same(a: Readonly<Record<string, Mark>>, b: Readonly<Record<string, Mark>>): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
