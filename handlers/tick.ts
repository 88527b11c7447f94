import { tryTurn } from '../src/local/lock.js';
import type { Context } from './context.js';
import { dispatch, type DispatchOutcome } from './dispatch.js';
import { execute, type ExecuteOutcome } from './execute.js';
import { pushSpooled, type PushOutcome } from './push.js';

export interface TickOutcome {
  /** Absent when another tick of this node is at it. */
  readonly pushed?: PushOutcome;
  readonly dispatched?: DispatchOutcome;
  readonly executed: ExecuteOutcome;
}

/** What a timer calls, and the safety net under everything else: spooled pushes, dispatch, execute. */
export async function tick(context: Context): Promise<TickOutcome> {
  const turn = await tryTurn(context.config.stateDir, 'tick');
  let done: { pushed: PushOutcome; dispatched: DispatchOutcome } | undefined;
  if (turn.kind === 'mine') {
    try {
      const pushed = await pushSpooled(context);
      done = { pushed, dispatched: await dispatch(context) };
    } finally {
      await turn.held.release();
    }
  }
  return { ...done, executed: await execute(context) };
}
