import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from './state.js';

/**
 * The ids of events that this node dismissed because no schedule file of it defined them. Consul hands
 * over old events again when an agent starts or reloads; a definition that came later must not make
 * them run. Consul keeps 256 events; twice that is kept here.
 */
const KEPT = 512;

export function dismissedIds(stateDir: string): Set<string> {
  try {
    const ids: unknown = JSON.parse(readFileSync(fileOf(stateDir), 'utf8'));
    return new Set(Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : []);
  } catch {
    return new Set();
  }
}

/** Remembers further ids; nothing is written when all are known. */
export function dismiss(stateDir: string, ids: readonly string[]): void {
  // More than are kept would push each other out, try after try.
  const last = ids.slice(-KEPT);
  // Another push of this node may write at the same time: look whether ours are there.
  for (let tries = 0; tries < 5; tries += 1) {
    const known = dismissedIds(stateDir);
    const fresh = last.filter((id) => !known.has(id));
    if (fresh.length === 0) return;
    writeWhole(fileOf(stateDir), JSON.stringify([...known, ...fresh].slice(-KEPT)));
  }
}

function fileOf(stateDir: string): string {
  return join(stateDir, 'dismissed.json');
}
