import { gc, KEEP } from '../../handlers/gc.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { shown } from '../run/names.js';
import { sinceOf } from './history.js';
import type { Invocation } from './types.js';

/** Removes steps, nodes and logs of old events; their ids stay, so that none runs again. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { flags, io, signal } = invocation;
  const context = invocation.context();
  const keep = keepOf(flags.keep);
  const pruned: string[] = [];
  for (;;) {
    const outcome = await gc(context, keep);
    pruned.push(...outcome.pruned);
    // Nothing pruned: what is left is being written by somebody else.
    if (!outcome.more || outcome.pruned.length === 0 || signal.aborted) break;
  }
  if (flags.json === true) io.out(`${JSON.stringify({ pruned }, null, 2)}\n`);
  else io.out(`the details of ${pruned.length} ${pruned.length === 1 ? 'event' : 'events'} are removed\n`);
  return signal.aborted ? EXIT.interrupted : EXIT.done;
}

function keepOf(value: unknown): number {
  if (typeof value !== 'string') return KEEP;
  const at = /^\d+(\.\d+)?(ms|s|m|h|d)/.test(value) ? sinceOf(value, 0) : undefined;
  if (at === undefined || at > 0)
    throw new InputError(`--keep ${shown(value)}: expected a time span such as 30d or 12h`);
  return -at;
}
