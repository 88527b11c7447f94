import { judge } from './judge.js';
import type { Observed, Run } from './types.js';

/** What `advance` needs to be shown about a run's current step. */
export interface Wants {
  readonly candidates: boolean;
  readonly claims: boolean;
  readonly gates: boolean;
}

/**
 * Which look-ups are worth their requests. A `quick` look follows a finished task and asks for what can
 * end the step; a full one (tick, `metronome dispatch`) also looks for deaths and for missing inbox keys.
 */
export function wants(run: Run, seen: Pick<Observed, 'outcomes' | 'control'>, quick: boolean): Wants {
  const spec = run.steps[run.current];
  if (spec === undefined) return { candidates: false, claims: false, gates: false };
  const { step } = run;
  if (step.phase === 'waiting') {
    return { candidates: true, claims: false, gates: (spec.waitFor?.length ?? 0) > 0 };
  }
  const verdicts = step.targets.map((node) => judge({ spec, step, observed: seen }, node));
  const allDone = verdicts.every((verdict) => verdict.kind === 'done');
  const again = verdicts.some((verdict) => verdict.kind === 'again');
  const healthWatched =
    spec.healthCheck !== undefined &&
    step.targets.some((node) => seen.outcomes.get(node)?.status === 'success' && !step.marks[node]?.settled);
  if (step.phase === 'stopping') return { candidates: false, claims: true, gates: false };
  return {
    candidates: !quick || allDone || healthWatched,
    claims: !allDone && (!quick || again),
    gates: false,
  };
}
