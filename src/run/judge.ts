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
      if (outcome.attempt < lostAttempts(spec, outcome.attempt, observed)) return { kind: 'again' };
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

/** How many attempts a lost target has: by `on_lost: retry`, or by an operator's approval of a held one. */
export function lostAttempts(spec: StepSpec, _attempt: number, observed: Observed): number {
  if (spec.onLost === 'retry') return LOST_ATTEMPTS;
  return spec.onLost === 'hold' ? (observed.control?.approve?.[`${spec.no}/hold`] ?? 1) : 1;
}
