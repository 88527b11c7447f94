import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, PermissionError, UnreachableError } from '../src/errors.js';
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

/**
 * What a timer calls, and the safety net under everything else: spooled pushes, due `schedules` entries,
 * dispatch, execute. A fault in one of them does not keep it from the others: the first is thrown at the end.
 */
export async function tick(context: Context): Promise<TickOutcome> {
  const faults: unknown[] = [];
  const attempt = async <T>(part: () => Promise<T>): Promise<T | undefined> => {
    // Without Consul the rest would only wait for it again.
    if (faults.some((fault) => fault instanceof UnreachableError)) return undefined;
    try {
      return await part();
    } catch (error) {
      if (faults.length > 0) context.log.error(messageOf(error));
      faults.push(error);
      return undefined;
    }
  };
  const turn = await attempt(() => tryTurn(context.config.stateDir, 'tick'));
  let done: Omit<TickOutcome, 'executed'> = {};
  if (turn?.kind === 'mine') {
    try {
      const pushed = await attempt(() => pushSpooled(context));
      const fired = await attempt(() => unlessDenied(context, 'cron', () => fireDue(context)));
      const dispatched = await attempt(() => fullLook(context));
      await attempt(() => unlessDenied(context, 'gc', () => gcDaily(context)));
      done = {
        ...(pushed === undefined ? {} : { pushed }),
        ...(fired === undefined ? {} : { fired }),
        ...(dispatched === undefined ? {} : { dispatched }),
      };
    } finally {
      await turn.held.release();
    }
  }
  const executed = await attempt(() => execute(context));
  if (executed === undefined || faults.length > 0) throw faults[0];
  return { ...done, executed };
}

/** What a node's token does not allow is the business of nodes whose token does (deploy/consul). */
async function unlessDenied<T>(
  context: Context,
  what: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PermissionError)) throw error;
    context.log.debug(`${what} is left to other nodes: ${error.message}`);
    return undefined;
  }
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
