import { EXIT, type ExitCode, InputError } from '../errors.js';
import { shown } from '../run/names.js';
import { parseDuration } from '../schedule/durations.js';
import { didYouMean } from '../schedule/nearest.js';
import { readFinished } from './event-view.js';
import { showEvents, styleOf } from './status.js';
import type { Invocation } from './types.js';

const STATUSES = ['success', 'error', 'timeout', 'skip', 'cancelled'];
const LIMIT = 20;

/** What has ended, last started first. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { flags, io } = invocation;
  const context = invocation.context();
  const limit = limitOf(flags.limit);
  const since = sinceOf(flags.since, context.now());
  const statuses = wordsOf(flags.status);
  for (const status of statuses ?? []) {
    if (STATUSES.includes(status)) continue;
    const near = didYouMean(status, STATUSES);
    throw new InputError(
      `--status ${shown(status)}: expected ${STATUSES.join(', ')}${near === undefined ? '' : `; ${near}`}`,
    );
  }
  const names = wordsOf(flags.event);
  const all = (await readFinished(context)).filter(
    (event) =>
      (names === undefined || names.includes(event.Name)) &&
      (statuses === undefined || statuses.includes(event.Status)) &&
      (since === undefined || Date.parse(event.StartedAt ?? '') >= since),
  );
  const events = all.slice(0, limit);
  if (flags.json === true) io.out(`${JSON.stringify({ events, total: all.length }, null, 2)}\n`);
  else if (events.length === 0) io.out('no event has ended that fits\n');
  else {
    for (const line of showEvents(events, styleOf(invocation))) io.out(`${line}\n`);
    if (all.length > events.length)
      io.out(`and ${all.length - events.length} before these: --limit ${all.length} shows all\n`);
  }
  return EXIT.done;
}

function wordsOf(value: unknown): string[] | undefined {
  const list = Array.isArray(value) ? (value as string[]) : typeof value === 'string' ? [value] : undefined;
  return list?.flatMap((one) => one.split(',')).map((one) => one.trim());
}

function limitOf(value: unknown): number {
  if (value === undefined) return LIMIT;
  const limit = Number(value);
  if (typeof value !== 'string' || !Number.isInteger(limit) || limit < 1)
    throw new InputError(`--limit ${shown(value)}: expected a number from 1`);
  return limit;
}

/** `2h` ago, or a date; ms. */
export function sinceOf(value: unknown, now: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  const days = /^(\d+(?:\.\d+)?)d$/.exec(value)?.[1];
  const span = days === undefined ? parseDuration(value) : Number(days) * 86_400_000;
  if (span !== undefined) return now - span;
  const at = Date.parse(value);
  if (Number.isNaN(at))
    throw new InputError(
      `--since ${shown(value)}: expected a time span such as 2h or 7d, or a date such as 2026-11-23`,
    );
  return at;
}
