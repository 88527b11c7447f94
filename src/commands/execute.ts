import { execute } from '../../handlers/execute.js';
import { EXIT, type ExitCode } from '../errors.js';
import type { Invocation } from './types.js';

/** How a task ended is in its result; the handler itself did its work. */
export async function run({ context, log, signal }: Invocation): Promise<ExitCode> {
  const outcome = await execute(context());
  if (outcome.busy) log.debug(`nothing to do here: ${outcome.reason ?? 'another execute is at it'}`);
  return signal.aborted ? EXIT.interrupted : EXIT.done;
}
