import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../src/local/state.js';
import { readEvents } from '../src/store/events.js';
import type { Context } from './context.js';
import { push, type PushOutcome } from './push.js';

type RawEvent = Readonly<Record<string, unknown>>;

/**
 * Hands to push what is new among the user events that the Consul agent still has in memory: the way of a driver
 * that has no event watch. Which were handed over is noted beside the lock; without the note push finds them known.
 * Undefined: there was nothing new.
 */
export async function pushNew(
  context: Context,
  events: readonly RawEvent[],
): Promise<PushOutcome | undefined> {
  const { stateDir, prefix } = context.config;
  const file = join(stateDir, 'events.json');
  const noted = readNote(file, prefix);
  const fresh = events.filter((event) => !noted.has(event.ID));
  if (fresh.length === 0) return undefined;
  const outcome = await push(context, JSON.stringify(fresh));
  // Only now: what a push could not finish is handed over again.
  const ids = events.map((event) => event.ID);
  writeWhole(file, JSON.stringify({ prefix, ids }));
  return outcome;
}

/** For a timer: asks the agent once. */
export async function takeEvents(context: Context): Promise<PushOutcome | undefined> {
  return pushNew(context, await readEvents(context.client));
}

function readNote(file: string, prefix: string): Set<unknown> {
  try {
    const note = JSON.parse(readFileSync(file, 'utf8')) as { prefix?: unknown; ids?: unknown } | null;
    return new Set(note?.prefix === prefix && Array.isArray(note.ids) ? note.ids : []);
  } catch {
    return new Set();
  }
}
