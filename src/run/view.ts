/** What every rule of `advance` looks at, and the few decisions that all of them make. */
import { compare } from './batches.js';
import type { Decision, Observed, Run, Stamp, StepSpec, StepState } from './types.js';

export interface View {
  readonly run: Run;
  readonly spec: StepSpec;
  readonly step: StepState;
  readonly observed: Observed;
  readonly now: Stamp;
  readonly skew: number;
}

export function approved(view: View): boolean {
  return (view.observed.control?.approve?.[String(view.spec.no)] ?? 0) > 0;
}

export function write(run: Run): Decision {
  return { kind: 'write', run, reports: [], releases: [] };
}

const PAUSED = 'paused';
const APPROVAL = 'waiting for approval';
const CANARY = 'canary done: waiting for approval';

/** The gates of operators. While one is closed no time runs against the step: it begins anew when the gate opens. */
export const GATES = { paused: PAUSED, approval: APPROVAL, canary: CANARY } as const;

export function heldByOperator(step: StepState): boolean {
  return step.gate === PAUSED || step.gate === APPROVAL || step.gate === CANARY;
}

/** Holds the phase and notes why, once, so that `status` can tell. */
export function gate(view: View, reason: string, until?: number): Decision {
  const { run, step } = view;
  const wait: Decision = { kind: 'wait', why: reason, ...(until === undefined ? {} : { until }) };
  if (step.gate === reason) return changedOr(view, wait);
  return write({ ...run, step: { ...step, gate: reason } });
}

/** Writes the run when its marks changed; otherwise the decision given. */
export function changedOr(view: View, otherwise: Decision): Decision {
  if (view.step.marks === view.run.step.marks) return otherwise;
  return write({ ...view.run, step: view.step });
}

export function withoutGate(step: StepState): StepState {
  const { gate: _, ...rest } = step;
  return rest;
}

/** `service app, tag web` or `the metronome service`. */
export function where(spec: { service?: string; tag?: string }): string {
  if (spec.service === undefined) return 'metronome';
  return spec.tag === undefined ? `service ${spec.service}` : `service ${spec.service} and tag ${spec.tag}`;
}

/** Up to five names, and how many more. */
export function list(nodes: readonly string[]): string {
  const names = [...nodes].sort(compare);
  return names.length <= 5
    ? names.join(', ')
    : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}
