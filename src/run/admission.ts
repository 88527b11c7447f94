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
    const newest = queue.findLast((one) => one.event.Name === name) as Q;
    if (cancels && newest !== queued) return { kind: 'superseded', queued, by: newest };
    const rule = rules(name);
    if (!rule.planned) return { kind: 'unplanned', queued };
    const fellows = fellowsOf(queued, queue, rule);
    const wait = startsIn(rule, fellows, now);
    if (wait === undefined)
      return { kind: 'start', queued: fellows.at(-1) as Q, merged: fellows.slice(0, -1) };
    held.add(name);
    until = Math.min(until ?? wait.ms, wait.ms);
  }
  return { kind: 'wait', ...(until === undefined ? {} : { until }) };
}

/** The events that become one run with this one, itself last or among them; only a buffer period makes them so. */
export function fellowsOf<Q extends { readonly event: QueuedEvent }>(
  queued: Q,
  queue: readonly Q[],
  rule: StartRules,
): Q[] {
  // A rerun is one run of its own: merged into another event it would not repeat what it was to repeat.
  if (rule.bufferPeriod === undefined || queued.event.Rerun !== undefined) return [queued];
  return queue.filter(({ event }) => event.Name === queued.event.Name && event.Rerun === undefined);
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
  const buffered = fellows.filter(({ event }) => event.Rerun === undefined);
  if (rule.bufferPeriod !== undefined && buffered.length > 0) {
    const times = buffered.map((one) => one.event.QueuedAt.at);
    const at = Math.min(
      Math.max(...times) + rule.bufferPeriod.min,
      Math.min(...times) + rule.bufferPeriod.max,
    );
    if (at > now) return { ms: at - now, why: 'buffer', at };
  }
  return undefined;
}

/**
 * Runs that a queued event with `cancel_in_progress` ends: those of its name and group that came before it.
 * Not before it could start itself: outside its window it would end a run and put nothing in its place.
 */
export function cancelledBy<
  R extends { readonly id: string; readonly event: string; readonly group: string },
>(
  queue: readonly { readonly event: QueuedEvent }[],
  runs: readonly R[],
  rules: (event: string) => StartRules,
  now: number,
): { readonly run: R; readonly by: QueuedEvent }[] {
  return runs.flatMap((run) => {
    const newer = queue.filter(
      ({ event }) => event.CancelInProgress && event.Name === run.event && event.Group === run.group,
    );
    const by = newer.at(-1);
    if (by === undefined) return [];
    const rule = rules(run.event);
    if (!rule.planned || startsIn(rule, fellowsOf(by, newer, rule), now) !== undefined) return [];
    return [{ run, by: by.event }];
  });
}
