/**
 * The heart of metronome: from a run, what is seen of the world, and the clock, to what is to be done.
 * Pure. Called by any dispatcher on any node at any time; it decides from the state alone, never from
 * what happened before, so a repeated or late call decides the same or waits.
 */
import { running } from './running.js';
import { endStep } from './sections.js';
import { stop, stopping } from './stopping.js';
import type { Decision, Limits, Observed, Run, Stamp, StepSpec } from './types.js';
import { type View, write } from './view.js';
import { waiting } from './waiting.js';

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
