/** Which nodes a step is for, and which of them come next. */
import { inOrder } from './batches.js';
import type { Candidate, StepSpec } from './types.js';
import type { View } from './view.js';

/**
 * The candidates that this step is for: `meant` without those that `when` leaves out, `pool` also without those
 * that a rerun does not repeat. Both reasons stand in `skipped`.
 */
export function eligible(
  view: View,
  candidates: readonly Candidate[],
): { pool: Candidate[]; meant: Candidate[]; skipped: Record<string, string> } {
  const { run, spec } = view;
  const done = new Set(run.rerun?.Done[String(spec.no)] ?? []);
  const pool: Candidate[] = [];
  const meant: Candidate[] = [];
  const skipped: Record<string, string> = {};
  for (const candidate of candidates) {
    const condition = nodeCondition(spec, candidate);
    if (condition === undefined) meant.push(candidate);
    // `run_once`: one that is done stands for all of them.
    const repeated = done.has(candidate.node) || (spec.runOnce === true && done.size > 0);
    const reason = repeated ? `done in ${run.rerun?.Of}` : condition;
    if (reason === undefined) pool.push(candidate);
    else skipped[candidate.node] = reason;
  }
  return { pool, meant, skipped };
}

/** Why `when` leaves a node out, by its tags and meta; undefined when it does not. */
export function nodeCondition(spec: StepSpec, candidate: Candidate): string | undefined {
  const missing = spec.when?.tags?.find((tag) => !candidate.tags.includes(tag));
  if (missing !== undefined) return `when: no tag ${missing}`;
  for (const [key, values] of Object.entries(spec.when?.meta ?? {})) {
    const value = candidate.meta[key];
    if (value === undefined || !values.includes(value)) return `when: meta ${key} is ${value ?? 'not set'}`;
  }
  return undefined;
}

export function restOfPool(view: View): string[] {
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
export function totalTargets(view: View): number {
  return view.step.targets.length + (view.spec.runOnce ? 0 : restOfPool(view).length);
}
