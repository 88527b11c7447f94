import { remove } from '../drivers/install.js';
import { EXIT, type ExitCode } from '../errors.js';
import { siteOf } from './install.js';
import type { Invocation } from './types.js';

/** Takes away what install wrote. What stands on Consul stays: it belongs to the cluster. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const driver = await remove(siteOf(invocation));
  invocation.io.out(
    driver === undefined
      ? `nothing to remove: metronome install wrote nothing here (${invocation.config.stateDir})\n`
      : invocation.flags['dry-run'] === true
        ? 'nothing is removed yet (--dry-run)\n'
        : `removed: driver ${driver}\n`,
  );
  return EXIT.done;
}
