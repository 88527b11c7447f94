import { dispatch } from '../../handlers/dispatch.js';
import { push } from '../../handlers/push.js';
import { EXIT, type ExitCode, UnreachableError } from '../errors.js';
import type { Invocation } from './types.js';

/** Lines about single events; whoever sends thousands of bad ones need not read of each. */
const MOST_FAULTS = 20;

/** Queues, then dispatches what it queued. Input that was not taken: a line each, exit code 2. */
export async function run({ io, context, log }: Invocation): Promise<ExitCode> {
  const input = await io.stdin();
  const outcome = await push(context(), input);
  for (const fault of outcome.faults.slice(0, MOST_FAULTS)) io.err(`metronome: ${fault}`);
  if (outcome.faults.length > MOST_FAULTS)
    io.err(`metronome: and ${outcome.faults.length - MOST_FAULTS} more events that were not taken`);
  if (outcome.queued.length > 0) {
    try {
      await dispatch(context(), { quick: true });
    } catch (error) {
      // The event is queued; a tick starts it.
      if (!(error instanceof UnreachableError)) throw error;
      log.warn(error.message);
    }
  }
  if (outcome.faults.length > 0) return EXIT.usage;
  return outcome.spooled.length > 0 ? EXIT.unreachable : EXIT.done;
}
