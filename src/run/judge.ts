import type { FinalStatus, Observed, StepSpec, StepState } from './types.js';

/** What stands with one target. */
export type Verdict =
  /** Not begun, at work, or its health is being watched. */
  | { readonly kind: 'open' }
  /** Lost, and the schedule says to run it again. */
  | { readonly kind: 'again' }
  /** Lost, and an operator must decide. */
  | { readonly kind: 'held' }
  | { readonly kind: 'done'; readonly ok: boolean; readonly status: FinalStatus };

/** How often a target is started at most when `on_lost: retry` runs it again: a task that kills its node must not loop for ever. */
export const LOST_ATTEMPTS = 3;

/** Whether the target has ended, well or badly, from its outcome, its marks and the step's options. */
export function judge(
  view: { readonly spec: StepSpec; readonly step: StepState; readonly observed: Observed },
  node: string,
): Verdict {
  const { spec, step, observed } = view;
  const outcome = observed.outcomes.get(node);
  if (outcome === undefined || outcome.status === 'inprogress') return { kind: 'open' };
  switch (outcome.status) {
    case 'success':
      if (spec.healthCheck && !step.marks[node]?.settled) return { kind: 'open' };
      return { kind: 'done', ok: true, status: 'success' };
    case 'skip':
      return { kind: 'done', ok: true, status: 'skip' };
    case 'lost':
      if (outcome.attempt < lostAttempts(spec, step, node)) return { kind: 'again' };
      if (spec.onLost === 'hold') return { kind: 'held' };
      return { kind: 'done', ok: false, status: 'error' };
    case 'error':
      return {
        kind: 'done',
        ok: outcome.unreachable === true && spec.ignoreUnreachable === true,
        status: 'error',
      };
    default:
      return { kind: 'done', ok: false, status: outcome.status };
  }
}

/** How many attempts a lost target has: by `on_lost: retry`, or because an operator let it run again. */
function lostAttempts(spec: StepSpec, step: StepState, node: string): number {
  if (spec.onLost === 'retry') return LOST_ATTEMPTS;
  return spec.onLost === 'hold' ? (step.holds?.attempts[node] ?? 1) : 1;
}

/**
 * The step's `holds` after an operator's approval that it does not know yet: every target that is held now has one
 * attempt more. Undefined: there is no such approval, or nothing is held.
 */
export function holdsApproved(
  view: { readonly spec: StepSpec; readonly step: StepState; readonly observed: Observed },
  held: readonly string[],
): NonNullable<StepState['holds']> | undefined {
  const { spec, step, observed } = view;
  const approvals = observed.control?.approve?.[`${spec.no}/hold`] ?? 0;
  if (held.length === 0 || approvals <= (step.holds?.approvals ?? 0)) return undefined;
  const more = held.map((node) => [node, (observed.outcomes.get(node)?.attempt ?? 1) + 1] as const);
  return { approvals, attempts: { ...step.holds?.attempts, ...Object.fromEntries(more) } };
}
