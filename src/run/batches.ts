import type { BatchSize } from '../schedule/types.js';
import type { StepSpec } from './types.js';

/**
 * The size of batch `index` of a step with `total` targets. `canary` is a batch before the others;
 * the last entry of `serial` goes for all later batches; without `serial` the rest is one batch.
 */
export function batchSize(spec: StepSpec, index: number, total: number): number {
  if (spec.runOnce) return index === 0 ? 1 : 0;
  const canary = spec.canary;
  if (canary !== undefined && index === 0) return canary;
  const serial = spec.serial;
  if (serial === undefined || serial.length === 0) return Number.POSITIVE_INFINITY;
  const at = Math.min(canary === undefined ? index : index - 1, serial.length - 1);
  return amount(serial[at] as BatchSize, total);
}

/** A batch size in targets: a percentage is rounded down, at least one (as Ansible counts `serial`). */
export function amount(size: BatchSize, total: number): number {
  if ('count' in size) return Math.max(1, size.count);
  return Math.max(1, Math.floor((size.percent * total) / 100));
}

/**
 * The batches that a step would have with these targets, in order: what `plan` shows. While it runs they follow
 * from what is there then; nobody who joins later is in it.
 */
export function batchesOf(spec: StepSpec, nodes: readonly string[], seed: string): string[][] {
  const rest = inOrder(nodes, spec, seed);
  const total = rest.length;
  const batches: string[][] = [];
  while (rest.length > 0) {
    const size = batchSize(spec, batches.length, total);
    if (size === 0) break;
    batches.push(rest.splice(0, size));
  }
  return batches;
}

/** How many targets a quorum asks for: a percentage is rounded up, so that 50 % of three are two. */
export function quorumOf(size: BatchSize, total: number): number {
  if ('count' in size) return size.count;
  return Math.ceil((size.percent * total) / 100);
}

/** Nodes in the step's order. `shuffle` is the same for every dispatcher: it follows from the run's id. */
export function inOrder(nodes: readonly string[], spec: StepSpec, seed: string): string[] {
  const sorted = [...nodes].sort(compare);
  if (spec.order === 'reverse_sorted') return sorted.reverse();
  if (spec.order !== 'shuffle') return sorted;
  const key = (node: string) => hash(`${seed}/${spec.no}/${node}`);
  return sorted.sort((a, b) => key(a) - key(b) || compare(a, b));
}

/** By code unit: the same on every node, whatever its locale. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** FNV-1a with a final mix, 32 bit: spreads names well enough to shuffle; no secret hangs on it. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  return h >>> 0;
}
