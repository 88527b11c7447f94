import { readdirSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { ensureStateDir, writeWhole } from './state.js';

/** Something that could not be put into the queue because Consul did not answer, kept for the next tick. */
export interface Spooled<T> {
  readonly file: string;
  readonly value: T;
}

/** Keeps one event on the disk. The file's name is the event's id, so that keeping it twice keeps it once. */
export function spool(stateDir: string, id: string, value: unknown): string {
  const file = join(ensureStateDir(stateDir), 'spool', `${id}.json`);
  writeWhole(file, JSON.stringify(value));
  return file;
}

/**
 * What is in the spool, in the order it came in. A file that cannot be read (half written by somebody's
 * hand or a full disk) is set aside as `.bad`, with one line to `report`, and the rest goes on.
 */
export function readSpool<T>(
  stateDir: string,
  parse: (text: string) => T,
  report: (line: string) => void,
): Spooled<T>[] {
  const folder = join(stateDir, 'spool');
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const spooled: Spooled<T>[] = [];
  for (const name of names.filter((one) => one.endsWith('.json')).sort()) {
    const file = join(folder, name);
    try {
      spooled.push({ file, value: parse(readFileSync(file, 'utf8')) });
    } catch (error) {
      // ENOENT: another tick took it.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      const aside = setAside(file) ? `set aside as ${name}.bad` : 'and not set aside either: remove it';
      report(`spool file ${file} cannot be read (${messageOf(error)}): ${aside}`);
    }
  }
  return spooled;
}

function setAside(file: string): boolean {
  try {
    renameSync(file, `${file}.bad`);
    return true;
  } catch {
    return false;
  }
}

/** Forgets a spooled event that is in the queue now. */
export function unspool(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Another tick did it.
  }
}
