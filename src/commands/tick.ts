import { tick } from '../../handlers/tick.js';
import { EXIT, type ExitCode } from '../errors.js';
import type { Invocation } from './types.js';

export async function run({ context, signal }: Invocation): Promise<ExitCode> {
  await tick(context());
  return signal.aborted ? EXIT.interrupted : EXIT.done;
}
