/**
 * How often dispatch looks at a wide step. A look reads every outcome of the step: if each of N finishers
 * looked, N x N outcomes would be read. So one of them looks for many, and timers look less often.
 */

/** Up to so many targets every finisher looks for himself: the quickest, and cheap. */
export const NARROW = 8;

/** Value of `progress_task_queue/<id>/turn`. */
export interface Turn {
  readonly no: number;
  /**
   * waiting: somebody will look, and has not begun to read: whoever finishes now is seen by him and may leave.
   * looking: somebody is reading, and may have read past a finish of this moment: take the turn after him.
   */
  readonly phase: 'waiting' | 'looking';
  readonly by: string;
}

/** What a finisher of step `no` does, from the turn as his own finish transaction saw it. */
export function turnDecision(turn: Turn | undefined, no: number): 'leave' | 'take' {
  return turn?.no === no && turn.phase === 'waiting' ? 'leave' : 'take';
}

/**
 * How long the one whose turn it is waits before he looks, in ms: a tenth of the time the step has taken,
 * so that the number of looks grows with the logarithm of that time; a second at most, because the next
 * step waits for the look.
 */
export function lookDelay(sinceStepBegan: number): number {
  return Math.max(20, Math.min(1000, sinceStepBegan / 10));
}

/** Whether a timer's full look is worth its reads: in a wide step only some of the nodes look each time. */
export function looksNow(targets: number, random: number): boolean {
  return targets <= 64 || random < 64 / targets;
}
