import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError, messageOf, MetronomeError } from '../errors.js';

/** Makes the state folder (0700: spool and records are nobody else's business). */
export function ensureStateDir(stateDir: string): string {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    if (!statSync(stateDir).isDirectory()) throw new Error('is not a folder');
  } catch (error) {
    throw new InputError(
      `the state folder ${stateDir} cannot be used (${messageOf(error)}): choose another with --state-dir`,
    );
  }
  return stateDir;
}

/**
 * A name that nobody else on this machine gives now. Made of the process and the time and not of random bytes:
 * loading Node's cryptography takes longer than the rest of a handler's file work.
 */
export function uniqueName(): string {
  return `${process.pid.toString(36)}-${process.hrtime.bigint().toString(36)}`;
}

/**
 * Writes a file whole or not at all, and on the disk when this returns: a crash leaves the old one or none.
 * With `durable: false` a crash of the machine may leave it empty: for what means nothing after a boot.
 */
export function writeWhole(path: string, text: string, { durable = true } = {}): void {
  const temporary = join(dirname(path), `.${uniqueName()}.tmp`);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(temporary, 'wx', 0o600);
    try {
      // Not writeSync, which may write less than it was given when the disk fills up.
      writeFileSync(file, text);
      if (durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new MetronomeError(`${path} cannot be written (${messageOf(error)})`, undefined, { cause: error });
  }
  if (durable) syncFolder(dirname(path));
}

/** The new name itself must reach the disk too. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // Some file systems do not sync folders; the file itself is safe.
  }
}
