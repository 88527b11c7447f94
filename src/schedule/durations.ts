/** ms per unit; `ms` stands before `m` in the pattern so that it is not taken for minutes. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** The pattern of a duration with units, for the JSON schema. */
export const DURATION_PATTERN = '^(\\d+(\\.\\d+)?|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)$';

/** Node's timers take no more: a longer one would fire at once. */
export const LONGEST = 2_147_483_647;

/**
 * ms of a number of seconds, or of a text such as `90`, `90s`, `5m`, `500ms`, `1h30m`, `1d`; undefined for anything
 * else, and for what is negative or longer than LONGEST (24 days).
 */
export function parseDuration(value: unknown): number | undefined {
  let ms: number;
  if (typeof value === 'number') ms = value * 1000;
  else if (typeof value !== 'string') return undefined;
  else if (/^\d+(\.\d+)?$/.test(value)) ms = Number(value) * 1000;
  else if (new RegExp(DURATION_PATTERN).test(value))
    ms = [...value.matchAll(PART)].reduce(
      (sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0),
      0,
    );
  else return undefined;
  ms = Math.round(ms);
  return ms >= 0 && ms <= LONGEST ? ms : undefined;
}

/** `5s/20s` -> ms of both; undefined when it is no such pair, or the first is longer than the second. */
export function parseBufferPeriod(value: unknown): { min: number; max: number } | undefined {
  if (typeof value !== 'string') return undefined;
  const [first, second, ...rest] = value.split('/').map((part) => parseDuration(part.trim()));
  if (first === undefined || second === undefined || rest.length > 0 || first > second || second === 0)
    return undefined;
  return { min: first, max: second };
}
