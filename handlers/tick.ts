import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { looksNow } from '../src/run/looks.js';
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
      const dispatched = await fullLook(context);
      done = { pushed, fired, ...(dispatched === undefined ? {} : { dispatched }) };
      await gcDaily(context);
    } finally {
      await turn.held.release();
    }
  }
  return { ...done, executed: await execute(context) };
}

/**
 * A full look, unless the last one saw a very wide step: then only some of the nodes look each time (a look
 * reads every outcome, and every node ticks). How wide it was is remembered beside the lock, as a hint.
 */
async function fullLook(context: Context): Promise<DispatchOutcome | undefined> {
  const hint = join(context.config.stateDir, 'widest');
  if (!looksNow(readHint(hint), context.random())) return undefined;
  const outcome = await dispatch(context);
  if (outcome.widest !== readHint(hint)) writeFileSync(hint, `${outcome.widest}`);
  return outcome;
}

function readHint(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
