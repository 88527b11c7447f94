import { parseDuration } from './durations.js';
import { percentOf } from './leaf.js';
import type { Branch } from './tree.js';
import type { BatchSize, Place } from './types.js';

/** Where an offset of the file is. */
export interface Reader {
  place(at: number): Place;
}

/** The branch below `key`; undefined when it is absent or stands there without a value. */
export function get(branch: Branch | undefined, key: string): Branch | undefined {
  const found = branch?.entries?.get(key);
  return found === undefined || found.value === null ? undefined : found;
}

export function entriesOf(branch: Branch | undefined): [string, Branch][] {
  return [...(branch?.entries ?? [])];
}

export function itemsOf(branch: Branch | undefined): readonly Branch[] {
  return branch?.items ?? [];
}

/** One value or a list of them, as a list. */
export function severalOf(branch: Branch | undefined): readonly Branch[] | undefined {
  return branch === undefined ? undefined : (branch.items ?? [branch]);
}

export function textOf(branch: Branch | undefined): string | undefined {
  return branch?.text;
}

export function textsOf(branch: Branch | undefined): string[] | undefined {
  return severalOf(branch)?.map((item) => item.text ?? '');
}

export function numberOf(branch: Branch | undefined): number | undefined {
  return typeof branch?.value === 'number' ? branch.value : undefined;
}

export function numbersOf(branch: Branch | undefined): number[] | undefined {
  return severalOf(branch)?.flatMap((item) => numberOf(item) ?? []);
}

export function flagOf(branch: Branch | undefined): boolean | undefined {
  if (typeof branch?.value === 'boolean') return branch.value;
  return typeof branch?.value === 'string' ? /^(yes|on)$/i.test(branch.value) : undefined;
}

/** ms */
export function durationOf(branch: Branch | undefined): number | undefined {
  return branch === undefined ? undefined : parseDuration(branch.value);
}

export function percentageOf(branch: Branch | undefined): number | undefined {
  return percentOf(branch?.value);
}

export function batchOf(branch: Branch): BatchSize {
  return typeof branch.value === 'number'
    ? { count: branch.value }
    : { percent: percentOf(branch.value) ?? 0 };
}

export function passingOf(branch: Branch | undefined): number | 'all' {
  return numberOf(branch) ?? 'all';
}

/** A map without prototype: a task called `toString` is looked up as any other, and one that is not there is undefined. */
export function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const map = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) map[key] = value;
  return map;
}
