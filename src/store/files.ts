import type { Client } from './client.js';
import { nameFault } from '../run/names.js';
import { decodeRecord } from './documents.js';
import { readMany } from './history.js';

/** Value of `inbox/<node>/.keep`: which schedule files a node has, so that differences show. */
export interface PublishedFiles {
  /** sha256 over the patterns and hashes of all files, in the order of `files`. */
  readonly Files: string;
  /** Pattern -> sha256 of its file's bytes. */
  readonly Patterns: Readonly<Record<string, string>>;
  /** Of metronome. */
  readonly Version: string;
  /** When it was last written, RFC 3339. */
  readonly At: string;
}

/** What the nodes say of their schedule files; a node that never executed, or says nothing sound, is not in it. */
export async function readFiles(
  client: Client,
  nodes: readonly string[],
): Promise<Map<string, PublishedFiles>> {
  const byKey = new Map(
    nodes.filter((node) => nameFault(node) === undefined).map((node) => [client.keys.keep(node), node]),
  );
  const files = new Map<string, PublishedFiles>();
  for (const entry of await readMany(client, [...byKey.keys()])) {
    const node = byKey.get(entry.key);
    const decoded = decodeRecord(entry);
    if (node === undefined || !decoded.ok) continue;
    const { Patterns: patterns } = decoded.value;
    if (typeof patterns === 'object' && patterns !== null)
      files.set(node, decoded.value as unknown as PublishedFiles);
  }
  return files;
}
