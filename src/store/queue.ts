import { idFault } from '../run/names.js';
import type { FinalStatus, QueuedEvent } from '../run/types.js';
import type { Client, Op } from './client.js';
import { TXN_BYTES, TXN_OPS } from './client.js';
import { type Broken, decodeQueued } from './documents.js';
import { unrunResult } from './results.js';

/** A queued event with its place: the flag of a moved one first, then CreateIndex, then its order within one push. */
export interface Queued {
  readonly event: QueuedEvent;
  readonly index: number;
  readonly createIndex: number;
  readonly flags: number;
}

export type PushOutcome = 'queued' | 'known';

/**
 * Puts events into the queue, each once: `check-not-exists results/<id>` and `cas 0 event_queue/<id>`.
 * Pushing the same event again, from any node, finds it known. Many events travel in one transaction;
 * their order among themselves is `Seq`.
 * @returns one outcome for each event, in order.
 */
export async function push(client: Client, events: readonly QueuedEvent[]): Promise<PushOutcome[]> {
  const outcomes: PushOutcome[] = events.map(() => 'known');
  let chunk: { at: number; ops: Op[] }[] = [];
  let bytes = 0;
  const flush = async () => {
    // A conflict names the operations that failed; the others are sent again without them.
    while (chunk.length > 0) {
      const result = await client.txn(chunk.flatMap((one) => one.ops));
      if (result.ok) {
        for (const one of chunk) outcomes[one.at] = 'queued';
        break;
      }
      const known = new Set(result.failed.map((op) => Math.floor(op / 2)));
      if (known.size === 0) throw new Error(`a push failed without a reason: ${result.what}`);
      chunk = chunk.filter((_, at) => !known.has(at));
    }
    chunk = [];
    bytes = 0;
  };
  for (const [at, event] of events.entries()) {
    const value = JSON.stringify(event);
    const size = Math.ceil((Buffer.byteLength(value) * 4) / 3) + 600;
    if ((chunk.length + 1) * 2 > TXN_OPS || bytes + size > TXN_BYTES) await flush();
    chunk.push({
      at,
      ops: [
        { verb: 'check-not-exists', key: client.keys.result(event.ID) },
        { verb: 'cas', key: client.keys.queued(event.ID), value, index: 0 },
      ],
    });
    bytes += size;
  }
  await flush();
  return outcomes;
}

/**
 * Which of these ids are in the queue or have a result already: one request for 32 of them, and none of them
 * writes. For a node that only repeats what others have pushed; `push` decides for the others.
 */
export async function knownIds(client: Client, ids: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  for (let at = 0; at < ids.length; at += TXN_OPS / 2) {
    const chunk = ids.slice(at, at + TXN_OPS / 2);
    const result = await client.txn(
      chunk.flatMap((id): Op[] => [
        { verb: 'check-not-exists', key: client.keys.result(id) },
        { verb: 'check-not-exists', key: client.keys.queued(id) },
      ]),
    );
    if (!result.ok) for (const op of result.failed) known.add(chunk[Math.floor(op / 2)] as string);
  }
  return known;
}

/** The queue in order, and the keys in it that cannot be read. */
export async function readQueue(client: Client): Promise<{ queue: Queued[]; broken: Broken[] }> {
  const queue: Queued[] = [];
  const broken: Broken[] = [];
  for (const entry of await client.tree(client.keys.queue, { consistent: true })) {
    const id = entry.key.slice(client.keys.queue.length);
    if (idFault(id) !== undefined) {
      broken.push({ key: entry.key, problem: 'is not the id of an event' });
      continue;
    }
    const decoded = decodeQueued(entry, id);
    if (decoded.ok)
      queue.push({
        event: decoded.value,
        index: entry.modifyIndex,
        createIndex: entry.createIndex,
        flags: entry.flags,
      });
    else broken.push(decoded.broken);
  }
  queue.sort(
    (a, b) => b.flags - a.flags || a.createIndex - b.createIndex || (a.event.Seq ?? 0) - (b.event.Seq ?? 0),
  );
  return { queue, broken };
}

/**
 * Takes an event out of the queue for good, with a result that says why (cancelled, nobody could plan it):
 * check-index and delete of the queue key, cas 0 of the result; check-index of `by`, the queued event that takes its
 * place: it may have left the queue since. False: somebody else was first.
 */
export async function dismissQueued(
  client: Client,
  queued: Queued,
  now: number,
  status: FinalStatus,
  reason: string,
  by?: Queued,
): Promise<boolean> {
  const { event } = queued;
  const result = unrunResult(event.ID, event.Name, event.QueuedAt.at, now, status, reason, event.Actions);
  const key = client.keys.queued(event.ID);
  const done = await client.txn([
    { verb: 'check-index', key, index: queued.index },
    { verb: 'delete', key },
    { verb: 'cas', key: client.keys.result(event.ID), value: JSON.stringify(result), index: 0 },
    ...(by === undefined
      ? []
      : [{ verb: 'check-index' as const, key: client.keys.queued(by.event.ID), index: by.index }]),
  ]);
  return done.ok;
}

/** Writes a queued event anew in its place (its CreateIndex stays). False: it changed or is gone. */
export async function rewriteQueued(
  client: Client,
  queued: Queued,
  event: QueuedEvent,
  flags = queued.flags,
): Promise<boolean> {
  const result = await client.txn([
    {
      verb: 'cas',
      key: client.keys.queued(event.ID),
      value: JSON.stringify(event),
      index: queued.index,
      flags,
    },
  ]);
  return result.ok;
}
