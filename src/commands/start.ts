import { setRunning } from '../drivers/install.js';
import { readManifest } from '../drivers/manifest.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { siteOf } from './install.js';
import type { Invocation } from './types.js';

/** `start` and `stop`: of what install set up. A stop lets the running task go on to its end. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const site = siteOf(invocation);
  const manifest = readManifest(site.root + site.stateDir);
  if (manifest === undefined)
    throw new InputError(
      `nothing is installed here (${site.stateDir}): metronome install --driver agent|timer|watch`,
    );
  const running = invocation.command === 'start';
  await setRunning(manifest, running, site);
  invocation.io.out(`${running ? 'started' : 'stopped'}: driver ${manifest.driver}\n`);
  return EXIT.done;
}
