import type { WindowDefinition } from '../schedule/types.js';
import { instantOf, wallTime } from './zone.js';

const DAY = 86_400_000;
const MINUTE = 60_000;

/**
 * When a window lets an event start: undefined when it is open at `at` (ms), otherwise the instant it
 * opens next. A window over midnight (end not after start) belongs to the day on which it starts.
 * Summer time: a start that the clocks jump over opens at the jump; a wall time that comes twice counts
 * from its first to, for the end, its first coming.
 * Returns Infinity for a window that never opens (no days).
 */
export function opensAt(window: WindowDefinition, at: number): number | undefined {
  const today = wallTime(at, window.timeZone);
  const midnight = Date.UTC(today.year, today.month - 1, today.day);
  let next = Number.POSITIVE_INFINITY;
  // From yesterday (its window may reach over midnight) over two weeks: on one of the days the clocks may
  // jump over the whole window.
  for (let ahead = -1; ahead <= 14; ahead += 1) {
    const day = midnight + ahead * DAY;
    if (!window.days.includes(new Date(day).getUTCDay())) continue;
    const start = instantOf(day + window.start * MINUTE, window.timeZone);
    const overnight = window.end <= window.start;
    const end = instantOf(day + window.end * MINUTE + (overnight ? DAY : 0), window.timeZone);
    if (at >= start && at < end) return undefined;
    if (start > at && start < end) next = Math.min(next, start);
  }
  return next;
}
