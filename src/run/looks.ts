import type { Outcome, OutcomeStatus, StepSpec } from './types.js';

/**
 * Who dispatches after a target is done. A look reads every outcome of the step: if each of N finishers looked,
 * N x N outcomes would be read. So in a step of few targets the last one looks, in a wide one somebody for many,
 * and timers look less often.
 */

/** Up to so many targets a finish transaction brings the outcomes of all. */
export const NARROW = 32;

/** Value of `progress_task_queue/<id>/turn`. */
export interface Turn {
  readonly no: number;
  /**
   * waiting: somebody will look, and has not begun to read: whoever finishes now is seen by him and may leave.
   * looking: somebody is reading, and may have read past a finish of this moment: wait for a look after his.
   */
  readonly phase: 'waiting' | 'looking';
  readonly by: string;
}

/** Whether the success of a target means nothing to the run before the last one is done: no batch, no check of its health. */
export function lastCounts(spec: StepSpec): boolean {
  return spec.serial === undefined && spec.canary === undefined && spec.healthCheck === undefined;
}

/** What a finisher saw at the instant of his own finish. */
export interface Fellows {
  /** How many targets the step has. */
  readonly of: number;
  readonly lastCounts: boolean;
  /** Of few targets: the outcomes there are, his own among them. */
  readonly outcomes?: readonly Outcome[];
  /** Of many: whose turn it was; his own finish has made it his, waiting. */
  readonly turn?: Turn;
}

/**
 * What a finisher of step `no` does. look: at once. wait: for others, and then look for them. leave: another one
 * looks. What he did not see (an answer that never came) he takes for a reason to look.
 */
export function afterFinish(no: number, status: OutcomeStatus, seen: Fellows): 'look' | 'wait' | 'leave' {
  if (seen.of > NARROW) return seen.turn?.no === no && seen.turn.phase === 'waiting' ? 'leave' : 'wait';
  if (!seen.lastCounts || seen.outcomes === undefined) return 'look';
  if (status !== 'success' && status !== 'skip') return 'look';
  // A lost one is the business of whoever called it lost.
  const open = seen.outcomes.some((outcome) => outcome.status === 'inprogress');
  return open || seen.outcomes.length < seen.of ? 'leave' : 'look';
}

/**
 * How long the one whose turn it is waits before he looks, in ms: a tenth of the time the step has taken, so that
 * the number of looks grows with the logarithm of that time, and longer in a wider step, whose look costs more; a
 * second at most, because the next step waits for the look.
 */
export function lookDelay(sinceStepBegan: number, targets: number): number {
  return Math.max(50, Math.min(1000, Math.max(sinceStepBegan, targets) / 10));
}

/** Whether a timer's full look is worth its reads: in a wide step only some of the nodes look each time. */
export function looksNow(targets: number, random: number): boolean {
  return targets <= 64 || random < 64 / targets;
}
