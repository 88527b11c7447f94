import manifest from '../../package.json' with { type: 'json' };
import { EXIT, type ExitCode } from '../errors.js';
import type { Invocation } from './types.js';

export const VERSION: string = manifest.version;

export async function run({ io }: Invocation): Promise<ExitCode> {
  io.out(`metronome ${VERSION}\n`);
  return EXIT.done;
}
