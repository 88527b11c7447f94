/** Instants as people read them: by the wall clock of whoever asks, or in UTC. */

export interface Clock {
  readonly utc: boolean;
  /** ms: a date of this year needs no year. */
  readonly now: number;
}

/** `11-23 15:04:05`, of another year `2025-11-23 15:04:05`; '' for none. Takes ms or RFC 3339. */
export function timeText(at: number | string | undefined, clock: Clock): string {
  const [date, time] = parts(at, clock.utc);
  if (date === undefined) return '';
  const [today = ''] = parts(clock.now, clock.utc);
  return `${date.slice(0, 4) === today.slice(0, 4) ? date.slice(5) : date} ${time?.slice(0, 8)}`;
}

/** `15:04:05`, with the date when it is another day than `day`. */
export function clockText(
  at: number | string | undefined,
  day: number | string | undefined,
  clock: Clock,
): string {
  const [date, time] = parts(at, clock.utc);
  if (date === undefined) return '';
  return parts(day, clock.utc)[0] === date ? (time ?? '').slice(0, 8) : timeText(at, clock);
}

/** `2026-11-23 15:04:05.123`: date and time with milliseconds; for logs. */
export function stampText(at: number | string, clock: Pick<Clock, 'utc'>): string {
  const [date, time] = parts(at, clock.utc);
  return date === undefined ? String(at) : `${date} ${time}`;
}

/** The head of a column of times. */
export function headOf(text: string, clock: Pick<Clock, 'utc'>): string {
  return clock.utc ? `${text} (UTC)` : text;
}

/** The zone in which times are shown. */
export function zoneText(clock: Pick<Clock, 'utc'>): string {
  return clock.utc ? 'UTC' : (Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'local');
}

export function msOf(at: number | string | undefined): number | undefined {
  const ms = typeof at === 'string' ? Date.parse(at) : at;
  return ms === undefined || Number.isNaN(ms) ? undefined : ms;
}

function parts(at: number | string | undefined, utc: boolean): [string?, string?] {
  const ms = msOf(at);
  if (ms === undefined) return [];
  const date = new Date(ms);
  const two = (n: number, digits = 2) => String(n).padStart(digits, '0');
  if (utc) return [date.toISOString().slice(0, 10), date.toISOString().slice(11, 23)];
  return [
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`,
  ];
}
