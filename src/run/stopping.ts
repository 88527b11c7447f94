/** A step that is being stopped: no claim passes any more, held ones end their tasks, the rest is settled here. */
import { lost, marksNow } from './marks.js';
import { endStep } from './sections.js';
import { left } from './time.js';
import type { Decision, FinalStatus, Settlement } from './types.js';
import { changedOr, list, type View, withoutGate, write } from './view.js';

/** A claim that is still held this long after its task had to be over is written off (ms beyond grace and lost_grace). */
const OBEDIENCE = 120_000;

/** No claim passes any more (each checks the run's index); held ones end their tasks; the rest is settled here. */
export function stop(view: View, status: FinalStatus, reason: string): Decision {
  const { run, step, now } = view;
  return write({
    ...run,
    step: { ...withoutGate(step), phase: 'stopping', stop: { status, reason, since: now } },
  });
}

export function stopping(view: View): Decision {
  const { run, spec, step, observed, now, skew } = view;
  const why = step.stop ?? { status: 'cancelled' as const, reason: 'cancelled', since: step.since };
  if (observed.claims === undefined) return { kind: 'wait', why: 'the claims were not looked at' };
  const marked: View = { ...view, step: { ...step, marks: marksNow(view) } };
  const { seen } = why;
  const settlements: Settlement[] = [];
  const held: string[] = [];
  const overdue = seen !== undefined && left(seen, spec.grace + spec.lostGrace + OBEDIENCE, now, skew) === 0;
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
  if (held.length > 0 && seen === undefined)
    return write({ ...run, step: { ...marked.step, stop: { ...why, seen: now } } });
  if (held.length > 0)
    return changedOr(marked, { kind: 'wait', why: `${list(held)} still at work`, until: 1000 });
  return endStep(run, { status: why.status, reason: why.reason }, now);
}
