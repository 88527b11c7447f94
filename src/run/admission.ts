/** Which queued event may start now. Pure; `status` asks the same functions why an event waits. */
import type { BufferPeriod, WindowDefinition } from '../schedule/types.js';
import type { QueuedEvent } from './types.js';
import { opensAt } from './windows.js';

/** What the node's schedule files say about starting an event. */
export interface StartRules {
  /** The files here define it, and none of them is broken. */
  readonly planned: boolean;
  readonly window?: WindowDefinition;
  readonly bufferPeriod?: BufferPeriod;
}

export type Admission<Q> =
  /** Start it; `merged` are earlier events of its name that become one run with it. */
  | { readonly kind: 'start'; readonly queued: Q; readonly merged: readonly Q[] }
  /** Nobody here can plan it; it keeps its place and those behind it wait. */
  | { readonly kind: 'unplanned'; readonly queued: Q }
  /** A later event of its name and group takes its place. */
  | { readonly kind: 'superseded'; readonly queued: Q; readonly by: Q }
  /** Nothing can start; ms until time alone changes that. */
  | { readonly kind: 'wait'; readonly until?: number };

/**
 * The one thing to do next in a group that has a free slot. `queue` holds the group's events in order.
 * An event outside its window, or within its buffer period, waits without holding up those behind it;
 * one that cannot be planned here holds its place, because another node may start it first.
 */
export function admission<Q extends { readonly event: QueuedEvent }>(
  queue: readonly Q[],
  rules: (event: string) => StartRules,
  now: number,
): Admission<Q> {
  let until: number | undefined;
  const held = new Set<string>();
  for (const queued of queue) {
    const { Name: name, CancelInProgress: cancels } = queued.event;
    if (held.has(name)) continue;
    const fellows = queue.filter((one) => one.event.Name === name);
    const last = fellows.at(-1) as Q;
    if (cancels && last !== queued) return { kind: 'superseded', queued, by: last };
    const rule = rules(name);
    if (!rule.planned) return { kind: 'unplanned', queued };
    const wait = startsIn(rule, fellows, now);
    if (wait === undefined) {
      return rule.bufferPeriod === undefined
        ? { kind: 'start', queued, merged: [] }
        : { kind: 'start', queued: last, merged: fellows.slice(0, -1) };
    }
    held.add(name);
    until = Math.min(until ?? wait.ms, wait.ms);
  }
  return { kind: 'wait', ...(until === undefined ? {} : { until }) };
}

/** How long (ms) and why the events of one name still wait; undefined: they may start. */
export function startsIn(
  rule: StartRules,
  fellows: readonly { readonly event: QueuedEvent }[],
  now: number,
): { readonly ms: number; readonly why: 'window' | 'buffer'; readonly at: number } | undefined {
  if (rule.window !== undefined) {
    const at = opensAt(rule.window, now);
    if (at !== undefined) return { ms: Math.max(0, at - now), why: 'window', at };
  }
  if (rule.bufferPeriod !== undefined && fellows.length > 0) {
    const times = fellows.map((one) => one.event.QueuedAt.at);
    const at = Math.min(
      Math.max(...times) + rule.bufferPeriod.min,
      Math.min(...times) + rule.bufferPeriod.max,
    );
    if (at > now) return { ms: at - now, why: 'buffer', at };
  }
  return undefined;
}

/** Runs that a queued event with `cancel_in_progress` ends: those of its name and group that came before it. */
export function cancelledBy<
  R extends { readonly id: string; readonly event: string; readonly group: string },
>(
  queue: readonly { readonly event: QueuedEvent }[],
  runs: readonly R[],
): { readonly run: R; readonly by: QueuedEvent }[] {
  return runs.flatMap((run) => {
    const by = queue.find(
      ({ event }) => event.CancelInProgress && event.Name === run.event && event.Group === run.group,
    )?.event;
    return by === undefined ? [] : [{ run, by }];
  });
}
