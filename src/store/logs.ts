import type { Client } from './client.js';
import { parseResult } from './keys.js';

/** Where a log stands. */
export interface LogPlace {
  readonly no: number;
  readonly node: string;
}

export interface StoredLog extends LogPlace {
  readonly text: string;
  /** Grows with each change. */
  readonly index: number;
}

/** Logs read at once: each may have 400 KiB. */
const AT_ONCE = 8;

/** The logs that an event has, by step, then node; by their names, which costs little. */
export async function listLogs(client: Client, id: string): Promise<LogPlace[]> {
  const places = (await client.keysBelow(client.keys.resultsOf(id))).flatMap((key): LogPlace[] => {
    const parts = parseResult(client.keys, key);
    return parts?.log && parts.no !== undefined && parts.node !== undefined
      ? [{ no: parts.no, node: parts.node }]
      : [];
  });
  return places.sort((a, b) => a.no - b.no || (a.node < b.node ? -1 : 1));
}

/** These logs as they are now; one that is gone meanwhile is left out. */
export async function readLogs(
  client: Client,
  id: string,
  places: readonly LogPlace[],
): Promise<StoredLog[]> {
  const logs: StoredLog[] = [];
  for (let at = 0; at < places.length; at += AT_ONCE) {
    const found = await Promise.all(
      places.slice(at, at + AT_ONCE).map(async ({ no, node }): Promise<StoredLog[]> => {
        const entry = await client.get(client.keys.log(id, no, node));
        return entry === undefined ? [] : [{ no, node, text: entry.value, index: entry.modifyIndex }];
      }),
    );
    logs.push(...found.flat());
  }
  return logs;
}
