/**
 * When a cron entry is due. The fields come from node-cron's parser (and mean what they mean there: a day
 * must match day of month, month and day of week); the search is ours because node-cron looks from the
 * present moment only, and leaves out times that the clocks jump over.
 */
import type { CronFields } from '../schedule/types.js';
import { instantOf, wallTime } from './zone.js';

const DAY = 86_400_000;
const MINUTE = 60_000;
/** Eight years have every combination of day, month and weekday but the rarest 29 February. */
const FARTHEST_DAYS = 366 * 40;

/**
 * The first due time after an instant (ms), in the zone's wall time; undefined when there is none.
 * Summer time: a time that the clocks jump over is due at the jump; one that comes twice is due at its
 * first coming only — unless the entry runs in every hour, then in both.
 */
export function nextDue(fields: CronFields, timeZone: string, after: number): number | undefined {
  return fields.hour.length === 24
    ? nextInEveryHour(fields, timeZone, after)
    : nextAtHours(fields, timeZone, after);
}

/** By the wall: each wall time counts at the first instant that shows it. */
function nextAtHours(fields: CronFields, timeZone: string, after: number): number | undefined {
  const wall = wallTime(after, timeZone);
  const today = Date.UTC(wall.year, wall.month - 1, wall.day);
  const [hours, minutes, seconds] = [
    ascending(fields.hour),
    ascending(fields.minute),
    ascending(fields.second),
  ];
  for (let ahead = 0; ahead < FARTHEST_DAYS; ahead += 1) {
    const day = today + ahead * DAY;
    if (!dayMatches(fields, day)) continue;
    for (const hour of hours) {
      // Clocks are set by less than three hours: what lies further back cannot be after `after`.
      if (ahead === 0 && hour < wall.hour - 3) continue;
      for (const minute of minutes) {
        for (const second of seconds) {
          const at = instantOf(day + ((hour * 60 + minute) * 60 + second) * 1000, timeZone);
          if (at > after) return at;
        }
      }
    }
  }
  return undefined;
}

/** By the minute: whatever the clocks do, the minutes go on. */
function nextInEveryHour(fields: CronFields, timeZone: string, after: number): number | undefined {
  const seconds = ascending(fields.second);
  let minuteStart = Math.floor(after / MINUTE) * MINUTE;
  const farthest = after + FARTHEST_DAYS * DAY;
  while (minuteStart <= farthest) {
    const wall = wallTime(minuteStart, timeZone);
    if (!dayMatches(fields, Date.UTC(wall.year, wall.month - 1, wall.day))) {
      // On to the next hour: zones are ahead by whole quarters of an hour, so none is stepped over.
      minuteStart += (60 - (wall.minute % 60)) * MINUTE;
      continue;
    }
    if (fields.minute.includes(wall.minute)) {
      for (const second of seconds)
        if (minuteStart + second * 1000 > after) return minuteStart + second * 1000;
    }
    minuteStart += MINUTE;
  }
  return undefined;
}

function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

function dayMatches(fields: CronFields, day: number): boolean {
  const date = new Date(day);
  const [year, month, dayOfMonth, weekday] = [
    date.getUTCFullYear(),
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCDay(),
  ];
  if (!fields.month.includes(month)) return false;
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const dayFits = fields.dayOfMonth.some((value) => {
    if (typeof value === 'number') return value === dayOfMonth;
    const text = value.toUpperCase();
    if (text === 'L') return dayOfMonth === last;
    const offset = /^L-(\d+)$/.exec(text);
    if (offset) return dayOfMonth === last - Number(offset[1]);
    const nearest = /^(L|\d+)W$/.exec(text);
    if (nearest)
      return dayOfMonth === nearestWeekday(year, month, nearest[1] === 'L' ? last : Number(nearest[1]), last);
    return Number(text) === dayOfMonth;
  });
  if (!dayFits) return false;
  return fields.dayOfWeek.some((value) => {
    if (typeof value === 'number') return value % 7 === weekday;
    const lastOne = /^([0-7])L$/i.exec(value);
    if (lastOne) return Number(lastOne[1]) % 7 === weekday && dayOfMonth > last - 7;
    const nth = /^([0-7])#([1-5])$/.exec(value);
    if (nth) return Number(nth[1]) % 7 === weekday && Math.ceil(dayOfMonth / 7) === Number(nth[2]);
    return Number(value) % 7 === weekday;
  });
}

/** The working day nearest to a day, in the same month. */
function nearestWeekday(year: number, month: number, day: number, last: number): number {
  const target = Math.min(day, last);
  const weekday = new Date(Date.UTC(year, month - 1, target)).getUTCDay();
  if (weekday === 6) return target === 1 ? target + 2 : target - 1;
  if (weekday === 0) return target === last ? target - 2 : target + 1;
  return target;
}

/** What is kept in `schedules/<name>`. */
export interface CronState {
  /** ms; the last due time that was dealt with (fired, or left out). */
  readonly last: number;
}

export type CronDecision =
  | { readonly kind: 'wait'; readonly due?: number }
  /** Begin to keep time from here: an entry seen for the first time does not fire for the past. */
  | { readonly kind: 'begin'; readonly state: CronState }
  | { readonly kind: 'fire'; readonly due: number; readonly state: CronState }
  | { readonly kind: 'skip'; readonly due: number; readonly state: CronState };

/** A due time that no node saw within this is missed (ms): ticks come every few seconds. */
export const MISSED_AFTER = 60_000;

/**
 * What to do about an entry now. Of several due times that passed unseen only the last counts: it is fired
 * once, or left out when it is older than a minute and the entry says `catch_up: skip`.
 * `delay` (ms) is the entry's jitter for a due time; the same on every node.
 */
export function cronDecision(
  entry: {
    readonly fields: CronFields;
    readonly timeZone: string;
    readonly catchUp: 'once' | 'skip';
    delay(due: number): number;
  },
  state: CronState | undefined,
  now: number,
): CronDecision {
  if (state === undefined) return { kind: 'begin', state: { last: now } };
  let due = nextDue(entry.fields, entry.timeZone, state.last);
  if (due === undefined || due + entry.delay(due) > now)
    return { kind: 'wait', ...(due === undefined ? {} : { due: due + entry.delay(due) }) };
  // The last one that has passed; bounded, because an entry may be due every second and all nodes down for days.
  for (let tries = 0; tries < 1000; tries += 1) {
    const later = nextDue(entry.fields, entry.timeZone, due);
    if (later === undefined || later + entry.delay(later) > now) break;
    due = later;
    if (tries === 999) due = lastBefore(entry.fields, entry.timeZone, now) ?? due;
  }
  const late = now - (due + entry.delay(due));
  return {
    kind: late > MISSED_AFTER && entry.catchUp === 'skip' ? 'skip' : 'fire',
    due,
    state: { last: due },
  };
}

/** The last due time not after `now`, for entries that are due often: found by looking back in growing steps. */
function lastBefore(fields: CronFields, timeZone: string, now: number): number | undefined {
  for (const back of [10_000, 120_000, 7_200_000]) {
    let due = nextDue(fields, timeZone, now - back);
    if (due === undefined || due > now) continue;
    for (
      let next = nextDue(fields, timeZone, due);
      next !== undefined && next <= now;
      next = nextDue(fields, timeZone, due)
    )
      due = next;
    return due;
  }
  return undefined;
}
