/** Who gives an operator's word, and what follows from giving one. */
import { hostname, userInfo } from 'node:os';
import type { Context } from '../../handlers/context.js';
import { dispatch } from '../../handlers/dispatch.js';
import { InputError, messageOf, PermissionError } from '../errors.js';
import { shown } from '../run/names.js';
import type { Action } from '../run/types.js';
import type { Invocation } from './types.js';

/** The deed as it is kept with the run. `sudo` names who it was before he became root. */
export function action(what: string, { env, flags }: Pick<Invocation, 'env' | 'flags'>, now: number): Action {
  const { reason } = flags;
  if (typeof reason === 'string' && reason.length > 500)
    throw new InputError(`--reason has ${reason.length} characters; expected 500 at most`);
  return {
    what,
    user: env.SUDO_USER || userName(),
    host: hostname(),
    at: new Date(now).toISOString(),
    ...(typeof reason === 'string' && reason !== '' ? { reason } : {}),
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

/**
 * Lets what was written take effect now instead of with the next tick. A token that may not do so, and a fault in what
 * somebody else left in the store, are no failure of the command: a node does it.
 */
export async function nudge(context: Context): Promise<void> {
  // What dispatch does is told by the command itself; its journal lines would stand in the middle of that.
  const { log } = context;
  const quiet: Context = { ...context, log: { ...log, info: log.debug } };
  try {
    const { denied } = await dispatch(quiet, { quick: true });
    if (denied !== undefined) context.log.debug(`left to the nodes: ${denied.message}`);
  } catch (error) {
    if (error instanceof PermissionError) context.log.debug(`left to the nodes: ${error.message}`);
    else context.log.warn(`${messageOf(error)}: what was written takes effect with the next tick`);
  }
}

/** How often a word is written again when the run went on in between. */
export const TRIES = 10;

export function wentOn(what: string, id: string): Error {
  return new Error(`${what} ${shown(id)}: the run changed ${TRIES} times meanwhile`);
}
