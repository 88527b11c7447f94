import { tick } from '../../handlers/tick.js';
import { EXIT, type ExitCode } from '../errors.js';
import type { Invocation } from './types.js';

export async function run({ context, flags, signal }: Invocation): Promise<ExitCode> {
  await tick(context(), { events: flags.events === true });
  return signal.aborted ? EXIT.interrupted : EXIT.done;
}
