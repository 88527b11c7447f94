import { createHash } from 'node:crypto';
import { type CronDecision, cronDecision, type CronState } from '../src/run/cron.js';
import { hash } from '../src/run/batches.js';
import { concurrencyOf } from '../src/run/plan.js';
import type { QueuedEvent } from '../src/run/types.js';
import type { CronEntry, CronFields } from '../src/schedule/types.js';
import { decodeRecord } from '../src/store/documents.js';
import { fireScheduled, keepSchedule } from '../src/store/schedules.js';
import { type Context, stampNow } from './context.js';

/**
 * Fires the `schedules` entries that are due: once in the whole cluster, however many nodes tick, because
 * the event's id is made from the entry and its due time. Returns the ids that this call queued.
 */
export async function fireDue(context: Context): Promise<string[]> {
  const { client, log } = context;
  const set = await context.schedules();
  const entries = set.schedules.flatMap((schedule) => schedule.schedules);
  // With a broken file nobody can say what the event consists of: its due time waits, and is missed at worst.
  if (entries.length === 0 || set.problems.length > 0) return [];
  const { cronFields } = await import('../src/schedule/cron-fields.js');
  const states = new Map((await client.tree(client.keys.schedules)).map((entry) => [entry.key, entry]));
  const now = await stampNow(context);
  const fired: string[] = [];
  for (const entry of entries) {
    const key = client.keys.schedule(entry.name);
    const stored = states.get(key);
    const state = stored === undefined ? undefined : stateOf(stored);
    const decision = cronDecision(rulesOf(entry, cronFields(entry.cron)), state, now.at);
    if (decision.kind === 'wait') continue;
    const next = { value: JSON.stringify(described(entry, decision)), index: stored?.modifyIndex ?? 0 };
    if (decision.kind === 'fire') {
      const event: QueuedEvent = {
        ID: scheduledId(entry.name, decision.due),
        Name: entry.event,
        Payload: '',
        LTime: 0,
        Data: entry.data,
        ...groupOf(set.schedules, entry.event),
        Seq: 0,
        QueuedAt: now,
      };
      if (await fireScheduled(client, event, entry.name, next)) {
        fired.push(event.ID);
        log.info(
          `event ${entry.event} (${event.ID}) is queued: ${entry.cron} was due at ${new Date(decision.due).toISOString()}`,
        );
      }
    } else {
      if (decision.kind === 'skip') {
        log.warn(
          `event ${entry.event}: ${entry.cron} was due at ${new Date(decision.due).toISOString()}, nobody was there, and catch_up is skip`,
        );
      }
      await keepSchedule(client, entry.name, next);
    }
  }
  return fired;
}

/** The id of the event of one due time: the same on every node. */
export function scheduledId(name: string, due: number): string {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `cron-${digest}-${new Date(due).toISOString().replace(/[-:]|\.\d+/g, '')}`;
}

function rulesOf(entry: CronEntry, fields: CronFields) {
  return {
    fields,
    timeZone: entry.timeZone,
    catchUp: entry.catchUp,
    delay: (due: number) => jitterOf(entry, due),
  };
}

/** ms by which a due time is late: the same part of the jitter on every node, or the quickest node would undo it. */
export function jitterOf(entry: Pick<CronEntry, 'name' | 'jitter'>, due: number): number {
  return entry.jitter === 0 ? 0 : hash(`${entry.name} ${due}`) % entry.jitter;
}

function groupOf(schedules: Parameters<typeof concurrencyOf>[0], event: string) {
  const { group, limit, cancelInProgress } = concurrencyOf(schedules, event);
  return { Group: group, Limit: limit, ...(cancelInProgress ? { CancelInProgress: true } : {}) };
}

/** What stands in `schedules/<name>`: the state, and in words what the last decision was. */
function described(entry: CronEntry, decision: Exclude<CronDecision, { kind: 'wait' }>) {
  const { last } = decision.state;
  return {
    last,
    Last: new Date(last).toISOString(),
    Event: entry.event,
    Cron: entry.cron,
    TimeZone: entry.timeZone,
    Decision: decision.kind,
  };
}

/** A value that cannot be read counts as none: the entry begins anew and does not fire for the past. */
function stateOf(stored: Parameters<typeof decodeRecord>[0]): CronState | undefined {
  const decoded = decodeRecord(stored);
  return decoded.ok && typeof decoded.value.last === 'number' ? { last: decoded.value.last } : undefined;
}
