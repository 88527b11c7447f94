/**
 * Wall clocks of time zones, with nothing but Intl: what a clock on the wall shows at an instant, and at
 * which instant a wall clock shows a time. Summer time makes some wall times absent and some double.
 */

/** What a clock on the wall shows. Months 1 to 12, days of the week 0 (Sunday) to 6. */
export interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly weekday: number;
}

const DAY = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/** The wall clock of a zone at an instant (ms since 1970). Throws RangeError for a zone that Intl does not know. */
export function wallTime(at: number, timeZone: string): WallTime {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(timeZone, format);
  }
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return {
    year,
    month,
    day,
    hour,
    minute,
    second,
    weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay(),
  };
}

/** How far the zone's wall clock is ahead of UTC at an instant, in ms. */
function offset(at: number, timeZone: string): number {
  const wall = wallTime(at, timeZone);
  const asUtc = Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
  return asUtc - Math.floor(at / 1000) * 1000;
}

/**
 * The instants at which the zone's wall clock shows a time given as if it were UTC (`Date.UTC(…)`): one;
 * two when clocks are set back over it; when they jump over it, the one instant of the jump.
 */
export function instantsOf(wallAsUtc: number, timeZone: string): readonly [number, ...number[]] {
  // Offsets change at most once in a day: the two around it are the candidates.
  const before = offset(wallAsUtc - DAY, timeZone);
  const after = offset(wallAsUtc + DAY, timeZone);
  const early = wallAsUtc - Math.max(before, after);
  const late = wallAsUtc - Math.min(before, after);
  const shows = (at: number) => at + offset(at, timeZone) === wallAsUtc;
  if (shows(early)) return late !== early && shows(late) ? [early, late] : [early];
  if (shows(late)) return [late];
  return [jump(early, late, timeZone)];
}

/** The first of `instantsOf`: so that everything that happens at a wall time happens once. */
export function instantOf(wallAsUtc: number, timeZone: string): number {
  return instantsOf(wallAsUtc, timeZone)[0];
}

/** The instant between two at which the zone's offset changes, to the second. */
function jump(from: number, to: number, timeZone: string): number {
  let low = Math.floor(from / 1000);
  let high = Math.ceil(to / 1000);
  const first = offset(low * 1000, timeZone);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offset(middle * 1000, timeZone) === first) low = middle;
    else high = middle;
  }
  return high * 1000;
}
