const NAMES = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;

/** 0 (Sunday) to 6 for `mon`, `Monday`, 0 to 7 (7 is Sunday too); undefined for anything else. */
export function parseDay(text: string): number | undefined {
  if (/^[0-7]$/.test(text)) return Number(text) % 7;
  const at = NAMES.findIndex((name) => text.length >= 3 && name.startsWith(text.toLowerCase()));
  return at < 0 ? undefined : at;
}

/** The days of one entry of `days`: a day, or a range such as `mon-fri` or `fri-mon`; undefined for anything else. */
export function parseDays(text: string): number[] | undefined {
  const [from, to, ...rest] = text.split('-').map((part) => parseDay(part.trim()));
  if (from === undefined || rest.length > 0) return undefined;
  if (!text.includes('-')) return [from];
  if (to === undefined) return undefined;
  const days: number[] = [];
  for (let day = from; ; day = (day + 1) % 7) {
    days.push(day);
    if (day === to) return days;
  }
}

/** Minutes since midnight of `HH:MM` (00:00 to 24:00); undefined for anything else. */
export function parseTimeOfDay(text: string): number | undefined {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text);
  if (match === null) return undefined;
  const minutes = Number(match[1]) * 60 + Number(match[2]);
  return Number(match[2]) < 60 && minutes <= 1440 ? minutes : undefined;
}

/** Whether the machine's time zone data knows this name (IANA, or UTC). */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    // Offsets such as +02:00 are accepted by newer engines only: nodes must not differ.
    return /^[A-Za-z]/.test(name);
  } catch {
    return false;
  }
}
