import type { QueuedEvent } from '../run/types.js';
import type { Client } from './client.js';

/** What is to stand in `schedules/<name>`, and the index that it had (0: nothing). */
export interface NextState {
  readonly value: string;
  readonly index: number;
}

/**
 * Queues the event of one due time: check-not-exists of its result · cas 0 of the queue key · cas of the
 * entry's state. False: another node did it, or the entry went on.
 */
export async function fireScheduled(
  client: Client,
  event: QueuedEvent,
  name: string,
  next: NextState,
): Promise<boolean> {
  const { keys } = client;
  const result = await client.txn([
    { verb: 'check-not-exists', key: keys.result(event.ID) },
    { verb: 'cas', key: keys.queued(event.ID), value: JSON.stringify(event), index: 0 },
    { verb: 'cas', key: keys.schedule(name), value: next.value, index: next.index },
  ]);
  if (result.ok || !result.failed.includes(0)) return result.ok;
  // The event has run already, and the entry's state does not know (somebody deleted or restored it): go on from here.
  await keepSchedule(client, name, next);
  return false;
}

/** Writes an entry's state. False: another node was first. */
export async function keepSchedule(client: Client, name: string, next: NextState): Promise<boolean> {
  const result = await client.txn([
    { verb: 'cas', key: client.keys.schedule(name), value: next.value, index: next.index },
  ]);
  return result.ok;
}
