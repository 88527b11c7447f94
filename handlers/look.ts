import { setTimeout as sleep } from 'node:timers/promises';
import { lookDelay, NARROW, turnDecision } from '../src/run/looks.js';
import { readTurn, type SeenTurn, writeTurn } from '../src/store/turn.js';
import type { Context } from './context.js';
import { dispatch, type DispatchOutcome } from './dispatch.js';

/** What a finisher knows of the step that he finished a target of. */
export interface Finished {
  readonly id: string;
  readonly no: number;
  /** How many targets the step has. */
  readonly of: number;
  /** ms by this node's clock since its own task began: as good a measure of the step as any. */
  readonly took: number;
  /** The turn as the finish transaction saw it. */
  readonly turn: SeenTurn;
}

/**
 * After a target is done: dispatch, so that the last one starts the next step at once. In a wide step one
 * finisher looks for many: he takes the turn, waits a little, and reads; whoever finishes while he waits
 * leaves. If he dies over it a tick looks instead. Undefined: another one looks.
 */
export async function lookAfter(context: Context, finished: Finished): Promise<DispatchOutcome | undefined> {
  if (finished.of <= NARROW) return dispatch(context, { quick: true, start: 'after-end' });
  const { id, no } = finished;
  const by = await context.node();
  let seen = finished.turn;
  for (;;) {
    if (turnDecision(seen.turn, no) === 'leave') return undefined;
    const waiting = await writeTurn(context.client, id, { no, phase: 'waiting', by }, seen.index);
    if (waiting !== undefined) {
      // Told to stop while waiting, he looks at once: nobody else will.
      await sleep(lookDelay(finished.took), undefined, { signal: context.signal }).catch(() => {});
      // From here on a finisher may be too late for this look, and takes the turn after it.
      await writeTurn(context.client, id, { no, phase: 'looking', by }, waiting);
      return dispatch(context, { quick: true, start: 'after-end' });
    }
    const again = await readTurn(context.client, id);
    // The same index twice: the run is gone, and nothing is left to look at.
    if (again.index === seen.index) return undefined;
    seen = again;
  }
}
