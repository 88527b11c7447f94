import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import type { PublishedFiles } from '../src/store/files.js';

/** What a node says of its schedule files, without the time. */
export type Files = Omit<PublishedFiles, 'At'>;

/**
 * The hashes of schedule files as they are on the disk now. Nothing is parsed: it is done with every execute. A file
 * that cannot be read counts as empty, so that its difference shows; of two of one pattern the later one counts.
 */
export function filesOf(paths: readonly string[]): Files {
  const all = createHash('sha256');
  const patterns: Record<string, string> = {};
  for (const path of paths) {
    const hash = createHash('sha256').update(bytesOf(path)).digest('hex');
    const pattern = basename(dirname(path));
    patterns[pattern] = hash;
    all.update(`${pattern} ${hash}\n`);
  }
  return { Files: all.digest('hex'), Patterns: patterns, Version: manifest.version };
}

/** The value for `.keep` when the one that stands there says something else; undefined when it is right. */
export function filesValue(files: Files, standing: string | undefined, now: number): string | undefined {
  if (standing !== undefined && same(files, standing)) return undefined;
  return JSON.stringify({ ...files, At: new Date(now).toISOString() } satisfies PublishedFiles);
}

function same(files: Files, standing: string): boolean {
  try {
    const { At: _, ...told } = JSON.parse(standing) as PublishedFiles;
    return JSON.stringify(told) === JSON.stringify(files);
  } catch {
    return false;
  }
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
