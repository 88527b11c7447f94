import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../src/local/state.js';
import { decodeRecord } from '../src/store/documents.js';
import { pruneResult, readPrunable } from '../src/store/prune.js';
import { keepSchedule } from '../src/store/schedules.js';
import type { Context } from './context.js';

export interface GcOutcome {
  /** Ids whose details were removed. */
  readonly pruned: string[];
  /** There is more to remove; the next go continues. */
  readonly more: boolean;
}

/** Days that results are kept when nobody says otherwise. */
export const KEEP = 30 * 86_400_000;
/** Events pruned with one call: a tick must not spend its time on the past. */
const AT_ONCE = 100;
const DAY = 86_400_000;
/** ms after which a go is over, and has said whether there is more. */
const SETTLED = 600_000;
/** The key below `schedules/` that says when results were last pruned. No cron entry has a name with a dot first. */
const STATE = '.gc';

/**
 * Removes step results, node results and logs of events that finished longer ago than `keep` (ms). The id
 * stays, with name, status and times: an event whose id is known never runs again (rule 10).
 */
export async function gc(context: Context, keep: number): Promise<GcOutcome> {
  const before = new Date(context.now() - keep).toISOString();
  const { ids, more } = await readPrunable(context.client, before, AT_ONCE);
  const pruned: string[] = [];
  for (const id of ids) if (await pruneResult(context.client, id, before)) pruned.push(id);
  if (pruned.length > 0)
    context.log.info(
      `removed the details of ${pruned.length} event${pruned.length === 1 ? '' : 's'} that ended before ${before}`,
    );
  return { pruned, more };
}

/** Once a day, by whichever node comes first; goes on with the next tick while there is more. */
export async function gcDaily(context: Context): Promise<GcOutcome | undefined> {
  const { client } = context;
  if (notYet(context)) return undefined;
  const entry = await client.get(client.keys.schedule(STATE));
  const decoded = entry && decodeRecord(entry);
  const last = decoded?.ok && typeof decoded.value.last === 'number' ? decoded.value.last : 0;
  const more = decoded?.ok === true && decoded.value.more === true;
  const now = context.now();
  if (!more && now - last < DAY) {
    // Whoever does it may still be at it, and may leave a rest for any node's next tick.
    if (now - last > SETTLED) noteNext(context, last + DAY);
    return undefined;
  }
  const state = (value: { last: number; more: boolean }, index: number) =>
    keepSchedule(client, STATE, { value: JSON.stringify(value), index });
  // Whoever writes this does the work; it is repeated tomorrow if he dies over it.
  if (!(await state({ last: now, more: false }, entry?.modifyIndex ?? 0))) return undefined;
  const outcome = await gc(context, KEEP);
  if (!outcome.more) noteNext(context, now + DAY);
  else {
    const written = await client.get(client.keys.schedule(STATE));
    await state({ last: now, more: true }, written?.modifyIndex ?? 0);
  }
  return outcome;
}

/**
 * When the next go is due, beside the lock: an idle node need not ask Consul with each tick. A note for another prefix,
 * or for later than tomorrow (the clock was set back), counts for nothing.
 */
function notYet({ config, now }: Context): boolean {
  try {
    const note = JSON.parse(readFileSync(noteOf(config.stateDir), 'utf8')) as {
      prefix?: unknown;
      next?: unknown;
    } | null;
    if (note?.prefix !== config.prefix || typeof note.next !== 'number') return false;
    return now() < note.next && note.next - now() <= DAY;
  } catch {
    return false;
  }
}

function noteNext({ config }: Context, next: number): void {
  writeWhole(noteOf(config.stateDir), JSON.stringify({ prefix: config.prefix, next }));
}

function noteOf(stateDir: string): string {
  return join(stateDir, 'gc.json');
}
