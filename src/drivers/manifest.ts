import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../local/state.js';
import type { Driver } from './plan.js';

/** What install wrote, kept in the state folder so that a later install or remove knows what is ours. */
export interface Manifest {
  readonly driver: Driver;
  readonly version: string;
  /** Path -> SHA-256 of the text as we wrote it. */
  readonly files: Readonly<Record<string, string>>;
  readonly units: readonly string[];
}

export function readManifest(stateDir: string): Manifest | undefined {
  try {
    const value = JSON.parse(readFileSync(fileOf(stateDir), 'utf8')) as Partial<Manifest> | null;
    if (value?.driver === undefined || typeof value.files !== 'object' || !Array.isArray(value.units))
      return undefined;
    return value as Manifest;
  } catch {
    return undefined;
  }
}

export function writeManifest(stateDir: string, manifest: Manifest): void {
  writeWhole(fileOf(stateDir), `${JSON.stringify(manifest, null, 2)}\n`);
}

export function forgetManifest(stateDir: string): void {
  rmSync(fileOf(stateDir), { force: true });
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function fileOf(stateDir: string): string {
  return join(stateDir, 'installed.json');
}
