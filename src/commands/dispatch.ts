import { dispatch } from '../../handlers/dispatch.js';
import { EXIT, type ExitCode } from '../errors.js';
import { patiently, SHORT } from '../store/retry.js';
import type { Invocation } from './types.js';

export async function run(invocation: Invocation): Promise<ExitCode> {
  // The original's `dispatch EVENT`.
  if (invocation.args.length > 0) return (await import('./run.js')).run(invocation);
  const { denied } = await patiently(() => dispatch(invocation.context()), {
    ...SHORT,
    signal: invocation.signal,
  });
  if (denied !== undefined) throw denied;
  return EXIT.done;
}
