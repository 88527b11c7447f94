import { linkSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import type { Identity } from './identity.js';
import { uniqueName, writeWhole } from './state.js';

/** Who holds a lock, as he wrote it beside the lock folder. */
export interface Holder {
  readonly identity: Identity;
  /** The lock folder it belongs to: a record left behind must not speak for a later holder's lock. */
  readonly ino: string;
  readonly born: string;
}

/** A record as it stands: its text, and the holder unless it cannot be read. */
export interface Recorded {
  readonly text: string;
  readonly holder?: Holder;
}

export function readRecord(path: string): Recorded | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null;
    if (typeof holder?.identity?.pid === 'number') return { text, holder: holder as Holder };
  } catch {
    // Nobody's word.
  }
  return { text };
}

/**
 * Puts a record in the place of the former one, or of none. Of several that do so at once, as after a death
 * when all of them broke the stale lock, one succeeds: a link replaces nothing, and a record that is not the
 * one that was judged is given back. False: another was quicker.
 */
export function takeRecord(path: string, former: Recorded | undefined, holder: Holder): boolean {
  const own = beside(path);
  writeWhole(own, JSON.stringify(holder), { durable: false });
  try {
    if (former !== undefined && !removeRecord(path, former)) return false;
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(own);
  }
}

function removeRecord(path: string, former: Recorded): boolean {
  if (readRecord(path)?.text !== former.text) return false;
  const aside = beside(path);
  try {
    renameSync(path, aside);
  } catch {
    return false;
  }
  const same = readRecord(aside)?.text === former.text;
  try {
    // Between the look and the move another has put his there.
    if (!same) linkSync(aside, path);
  } catch {
    // A third stands there already.
  }
  unlinkSync(aside);
  return same;
}

function beside(path: string): string {
  return `${path}.${uniqueName()}`;
}
