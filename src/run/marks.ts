/** What is noted of targets between two looks, and the outcomes that follow from it: unreachable, lost, unhealthy. */
import { duration, elapsed, left } from './time.js';
import type { Mark, Settlement } from './types.js';
import type { View } from './view.js';

/** Marks as they are now: who is down, whose claim nobody holds, who is healthy since when. */
export function marksNow(view: View): Readonly<Record<string, Mark>> {
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
        if (mark.healthy && elapsed(mark.healthy, now, view.skew) >= spec.healthCheck.minHealthyTime) {
          mark.settled = true;
        }
      }
    }
    if (Object.keys(mark).length > 0) marks[node] = mark;
    else delete marks[node];
  }
  return same(marks, step.marks) ? step.marks : marks;
}

/** Notes since when targets that have not begun are out of reach; forgets it of those that came back. */
export function downMarks(
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
export function deaths(view: View): Settlement[] {
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
      if (left(mark.unheld, lostAfter(view, node), now, skew) > 0) continue;
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

/** How long a target's claim may be unheld before it is lost (ms): one that reboots has its time for that as well. */
export function lostAfter(view: Pick<View, 'spec' | 'observed'>, node: string): number {
  return view.spec.lostGrace + (view.observed.outcomes.get(node)?.reboot ?? 0);
}

export function lost(
  node: string,
  outcome: { readonly attempt: number; readonly index: number; readonly reboot?: number },
  inboxIndex: number | undefined,
): Settlement {
  return {
    node,
    status: 'lost',
    reason: outcome.reboot === undefined ? 'lost' : 'lost: it did not come back from its reboot',
    attempt: outcome.attempt,
    outcomeIndex: outcome.index,
    ...(inboxIndex === undefined ? {} : { inboxIndex }),
  };
}

function same(a: Readonly<Record<string, Mark>>, b: Readonly<Record<string, Mark>>): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
