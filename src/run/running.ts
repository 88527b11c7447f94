/** A step whose targets are at work: batch after batch until all are done. */
import { batchSize } from './batches.js';
import { endOf, fatalFailures, firstFailure, unfinished } from './failures.js';
import { holdsApproved, judge, type Verdict } from './judge.js';
import { deaths, downMarks, lostAfter, marksNow } from './marks.js';
import { endStep } from './sections.js';
import { stop } from './stopping.js';
import { restOfPool, totalTargets } from './targets.js';
import { duration, left } from './time.js';
import type { Decision, Release, StepState } from './types.js';
import { approved, changedOr, gate, GATES, heldByOperator, type View, withoutGate, write } from './view.js';

export function running(view: View): Decision {
  const { run, spec, step, observed, now, skew } = view;
  const marks = marksNow(view);
  const marked: View = { ...view, step: { ...step, marks } };

  const settlements = deaths(marked);
  if (settlements.length > 0) return { kind: 'settle', settlements };

  // Health counts when it is written: a dispatcher who calls the node unhealthy then has a conflict.
  const verdicts = new Map(step.targets.map((node) => [node, judge(view, node)]));
  const retries = retried(marked, verdicts);
  if (retries.length > 0) return { kind: 'assign', releases: retries };

  const total = totalTargets(marked);
  const failed = [...verdicts.values()].filter((verdict) => verdict.kind === 'done' && !verdict.ok).length;
  const open = step.targets.filter((node) => verdicts.get(node)?.kind !== 'done');

  if (failed > 0 && spec.anyErrorsFatal && !spec.ignoreErrors && open.length > 0) {
    return stop(marked, 'error', `${firstFailure(marked, verdicts)}; any_errors_fatal ends the others`);
  }
  const held = open.filter((node) => verdicts.get(node)?.kind === 'held');
  const holds = holdsApproved(marked, held);
  if (holds) return write({ ...run, step: { ...withoutGate(marked.step), holds, resumed: now } });
  if (open.length > 0 && left(step.resumed ?? step.since, spec.stepTimeout, now, skew) === 0) {
    return stop(marked, 'timeout', `${unfinished(marked, open)} after ${duration(spec.stepTimeout)}`);
  }
  const missing = missingReleases(marked, verdicts);
  if (missing.length > 0) return { kind: 'assign', releases: missing };

  const joiners = joining(marked);
  if (joiners.length > 0 && !halted(marked, failed, total)) return release(marked, joiners, true);

  if (held.length > 0 && held.length === open.length) {
    return gate(
      marked,
      `${held.join(', ')} lost: waiting for an operator (approve runs it again, cancel ends the run)`,
    );
  }
  if (open.length > 0) {
    // An operator let a lost one run again.
    if (step.gate !== undefined) return write({ ...run, step: withoutGate(marked.step) });
    return changedOr(marked, { kind: 'wait', why: 'targets are at work', ...untilNext(marked, open) });
  }

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

  if (observed.control?.pause) return gate(marked, GATES.paused);
  if (spec.canary !== undefined && step.batches.length === 1 && spec.approve && !approved(view)) {
    return gate(marked, GATES.canary);
  }
  return release(marked, pool.slice(0, size), false);
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

function release(view: View, nodes: readonly string[], joins: boolean): Decision {
  const { run, step, now } = view;
  const last = step.batches.length - 1;
  const batches = joins
    ? step.batches.map((size, at) => (at === last ? size + nodes.length : size))
    : [...step.batches, nodes.length];
  const targets = [...step.targets, ...nodes];
  const next: StepState = {
    ...withoutGate(step),
    ...(heldByOperator(step) ? { resumed: now } : {}),
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
function halted(view: View, failed: number, total: number): boolean {
  return view.observed.control?.pause === true || fatalFailures(view, failed, total);
}

/** The soonest instant at which time alone changes something for these targets. */
function untilNext(view: View, open: readonly string[]): { until?: number } {
  const { spec, step, now, skew } = view;
  const limits = [left(step.resumed ?? step.since, spec.stepTimeout, now, skew)];
  for (const node of open) {
    const mark = step.marks[node];
    if (mark?.down) limits.push(left(mark.down, spec.startTimeout, now, skew));
    if (mark?.unheld) limits.push(left(mark.unheld, lostAfter(view, node), now, skew));
    if (spec.healthCheck && mark?.healthy)
      limits.push(left(mark.healthy, spec.healthCheck.minHealthyTime, now, skew));
    if (spec.healthCheck && mark?.watched)
      limits.push(Math.min(1000, left(mark.watched, spec.healthCheck.healthyDeadline, now, skew)));
  }
  return { until: Math.min(...limits) };
}
