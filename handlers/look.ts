import { setTimeout as sleep } from 'node:timers/promises';
import { afterFinish, type Fellows, lookDelay } from '../src/run/looks.js';
import type { OutcomeStatus } from '../src/run/types.js';
import { writeLooking } from '../src/store/turn.js';
import type { Context } from './context.js';
import { dispatch, type DispatchOutcome } from './dispatch.js';

/** What a finisher knows of the step that he finished a target of. */
export interface Finished extends Fellows {
  readonly id: string;
  readonly no: number;
  readonly status: OutcomeStatus;
  /** ms by this node's clock since its own task began: as good a measure of the step as any. */
  readonly took: number;
}

/**
 * After a target is done: dispatch, so that the last one starts the next step at once. In a wide step one finisher
 * looks for many: his finish made the turn his, he waits a little, says that he looks, and reads; whoever finishes
 * while he waits leaves. If he dies over it a tick looks instead. Undefined: another one looks.
 */
export async function lookAfter(context: Context, finished: Finished): Promise<DispatchOutcome | undefined> {
  const { id, no, of, status, took } = finished;
  const then = afterFinish(no, status, finished);
  if (then === 'leave') return undefined;
  if (then === 'wait') {
    const by = await context.node();
    // Told to stop while waiting, he looks at once: nobody else will.
    await sleep(lookDelay(took, of), undefined, { signal: context.signal }).catch(() => {});
    // From here on a finisher may be too late for this look, and waits for the one after it.
    await writeLooking(context.client, id, { no, phase: 'looking', by });
  }
  return dispatch(context, { quick: true, start: 'after-end' });
}
