import { tryTurn } from '../src/local/lock.js';
import type { Context } from './context.js';
import { fireDue } from './cron.js';
import { dispatch, type DispatchOutcome } from './dispatch.js';
import { gcDaily } from './gc.js';
import { execute, type ExecuteOutcome } from './execute.js';
import { pushSpooled, type PushOutcome } from './push.js';

export interface TickOutcome {
  /** Absent when another tick of this node is at it. */
  readonly pushed?: PushOutcome;
  /** Ids of events whose `schedules` entry was due. */
  readonly fired?: readonly string[];
  readonly dispatched?: DispatchOutcome;
  readonly executed: ExecuteOutcome;
}

/** What a timer calls, and the safety net under everything else: spooled pushes, due
 * `schedules` entries, dispatch, execute. */
export async function tick(context: Context): Promise<TickOutcome> {
  const turn = await tryTurn(context.config.stateDir, 'tick');
  let done: Omit<TickOutcome, 'executed'> | undefined;
  if (turn.kind === 'mine') {
    try {
      const pushed = await pushSpooled(context);
      const fired = await fireDue(context);
      done = { pushed, fired, dispatched: await dispatch(context) };
      await gcDaily(context);
    } finally {
      await turn.held.release();
    }
  }
  return { ...done, executed: await execute(context) };
}
