/** A step that waits for its gates and targets. */
import { batchSize, inOrder, quorumOf } from './batches.js';
import { downMarks } from './marks.js';
import { endStep } from './sections.js';
import { eligible } from './targets.js';
import { duration, left } from './time.js';
import type { Decision, Run, StepSpec, StepState } from './types.js';
import { approved, gate, GATES, heldByOperator, type View, where, withoutGate, write } from './view.js';

export function waiting(view: View): Decision {
  const { run, spec, step, observed, now, skew } = view;
  const when = stepsCondition(run, spec);
  if (when !== undefined) return endStep(run, { status: 'skip', reason: when }, now);
  if (observed.control?.pause) return gate(view, GATES.paused);
  if (spec.approve && spec.canary === undefined && !approved(view)) return gate(view, GATES.approval);
  if (heldByOperator(step)) {
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
  const { pool, meant, skipped } = eligible(view, observed.candidates);
  const [leftOut] = Object.values(skipped);
  if (pool.length === 0 && leftOut !== undefined) {
    return endStep({ ...run, step: { ...step, skipped } }, { status: 'skip', reason: leftOut }, now);
  }
  if (spec.quorum !== undefined) {
    const alive = meant.filter((candidate) => candidate.alive).length;
    const needed = quorumOf(spec.quorum, meant.length);
    if (alive < needed) {
      const reason = `quorum: ${alive} of ${needed} nodes with ${where(spec)} present`;
      if (rest > 0) return gate(view, reason, rest);
      return endStep(run, { status: 'error', reason: `${reason} after ${duration(spec.startTimeout)}` }, now);
    }
  }
  if (pool.length === 0) {
    if (rest > 0) return gate(view, `waiting for a node with ${where(spec)}`, rest);
    const reason = `no node has had ${where(spec)} for ${duration(spec.startTimeout)}`;
    return endStep(run, { status: spec.skippable ? 'skip' : 'timeout', reason }, now);
  }
  const names = inOrder(
    pool.map((candidate) => candidate.node),
    spec,
    run.id,
  );
  // One target stands for all: rather one that can be reached.
  if (spec.runOnce) {
    const alive = new Set(pool.filter((candidate) => candidate.alive).map((candidate) => candidate.node));
    names.sort((a, b) => Number(alive.has(b)) - Number(alive.has(a)));
  }
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
    const status = earlierStatus(run, task) ?? (passedOver(run, task) ? 'success' : 'none');
    if (!statuses.includes(status)) return `when: step ${task} ended ${status}, not ${statuses.join(' or ')}`;
  }
  return undefined;
}

/** A rerun begins behind this step: it counts as it must have been for the run to come so far. */
function passedOver(run: Run, task: string): boolean {
  return run.steps.some((step) => step.task === task && step.no < (run.rerun?.From ?? 0));
}

/** How the last step of that task ended; of one that a rerun does not run again, how it ended in the run it repeats. */
function earlierStatus(run: Run, task: string): string | undefined {
  const end = run.ended.filter((one) => run.steps[one.no]?.task === task).at(-1);
  const ended = run.rerun?.Ended ?? {};
  if (end !== undefined) {
    const done = end.status === 'skip' && (run.rerun?.Done[String(end.no)]?.length ?? 0) > 0;
    return (done ? ended[String(end.no)] : undefined) ?? end.status;
  }
  const from = run.rerun?.From ?? 0;
  const before = run.steps.findLast(
    (step) => step.task === task && step.no < from && ended[String(step.no)] !== undefined,
  );
  return before === undefined ? undefined : ended[String(before.no)];
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
