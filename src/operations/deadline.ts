import { LONGEST } from '../schedule/durations.js';
import type { StopReason } from './types.js';

/** What a promise gives, or `instead` thrown when the signal comes first: for work that knows no signal. */
export async function abortable<T>(signal: AbortSignal, work: Promise<T>, instead: () => Error): Promise<T> {
  let relay = () => {};
  const aborted = new Promise<never>((_, reject) => {
    relay = () => reject(instead());
    signal.addEventListener('abort', relay, { once: true });
    if (signal.aborted) relay();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', relay);
  }
}

/**
 * Runs `body` with a signal that is aborted with the outer one, or with `reason` after `ms`. AbortSignal.any with
 * AbortSignal.timeout would do the same, but in Node 20 such a signal can be collected before it fires.
 */
export async function withDeadline<T>(
  outer: AbortSignal,
  ms: number,
  reason: StopReason,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const relay = () => controller.abort(outer.reason);
  outer.addEventListener('abort', relay, { once: true });
  if (outer.aborted) relay();
  // Node's timers take no more: a longer one would fire at once.
  const timer = setTimeout(() => controller.abort(reason), Math.min(ms, LONGEST));
  try {
    return await body(controller.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', relay);
  }
}
