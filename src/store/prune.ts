import type { Client } from './client.js';
import { decodeRecord } from './documents.js';
import { readDetailedIds, readEventResults } from './history.js';
import type { EventResult } from './results.js';

/** The oldest ids that still have details and ended before an instant (RFC 3339), at most `most`. */
export async function readPrunable(
  client: Client,
  before: string,
  most: number,
): Promise<{ ids: string[]; more: boolean }> {
  const detailed = await readDetailedIds(client);
  const results = await readEventResults(client, detailed);
  const old = results
    .filter((result) => result.FinishedAt !== undefined && result.FinishedAt < before)
    .reverse();
  return { ids: old.slice(0, most).map((result) => result.ID), more: old.length > most };
}

/** Shrinks an event's result to what keeps it from running again, and removes its details. False: it changed meanwhile. */
export async function pruneResult(client: Client, id: string, before: string): Promise<boolean> {
  const { keys } = client;
  const entry = await client.get(keys.result(id));
  const decoded = entry && decodeRecord(entry);
  if (entry === undefined || !decoded?.ok) return false;
  const { ID, Name, Status, StartedAt, FinishedAt } = decoded.value as unknown as EventResult;
  if (FinishedAt === undefined || FinishedAt >= before) return false;
  const result = await client.txn([
    {
      verb: 'cas',
      key: keys.result(id),
      value: JSON.stringify({ ID, Name, Status, StartedAt, FinishedAt }),
      index: entry.modifyIndex,
    },
    { verb: 'delete-tree', key: keys.resultsOf(id) },
  ]);
  return result.ok;
}
