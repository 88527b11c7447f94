import { idFault } from '../run/names.js';
import { type Client, type Entry, TXN_OPS } from './client.js';
import { decodeRecord } from './documents.js';
import { parseResult } from './keys.js';
import type { EventResult, NodeResult, StepResult } from './results.js';

/** All results of one event, without the logs. */
export interface EventResults {
  readonly event?: EventResult;
  /** By number. */
  readonly steps: readonly StepResult[];
  /** By step, then node. */
  readonly nodes: readonly NodeResult[];
}

/** The results of one event. Logs are left out: 40 nodes can have 16 MB of them. */
export async function readResults(client: Client, id: string): Promise<EventResults> {
  const { keys } = client;
  const wanted = (await client.keysBelow(keys.resultsOf(id))).filter(
    (key) => parseResult(keys, key)?.log === undefined,
  );
  const entries = await readMany(client, [keys.result(id), ...wanted]);
  let event: EventResult | undefined;
  const steps: StepResult[] = [];
  const nodes: NodeResult[] = [];
  for (const entry of entries) {
    const parts = parseResult(keys, entry.key);
    const decoded = decodeRecord(entry);
    if (parts === undefined || !decoded.ok) continue;
    if (parts.no === undefined) event = decoded.value as unknown as EventResult;
    else if (parts.node === undefined) steps.push(decoded.value as unknown as StepResult);
    else nodes.push(decoded.value as unknown as NodeResult);
  }
  steps.sort((a, b) => a.No - b.No);
  nodes.sort((a, b) => a.No - b.No || (a.Node < b.Node ? -1 : 1));
  return { ...(event === undefined ? {} : { event }), steps, nodes };
}

/** The ids of all events that have a result. */
export async function readEventIds(client: Client): Promise<string[]> {
  return (await listResults(client)).filter((key) => !key.endsWith('/'));
}

/** The ids that have more than their own result: steps, nodes, logs. */
export async function readDetailedIds(client: Client): Promise<string[]> {
  return (await listResults(client)).filter((key) => key.endsWith('/')).map((key) => key.slice(0, -1));
}

/** `<id>` and `<id>/` below results/, without what is below them. */
async function listResults(client: Client): Promise<string[]> {
  const { keys } = client;
  const found = await client.keysBelow(keys.results, '/');
  return found
    .map((key) => key.slice(keys.results.length))
    .filter((name) => idFault(name.replace(/\/$/, '')) === undefined);
}

/** The event results of these ids, last started first. */
export async function readEventResults(client: Client, ids: readonly string[]): Promise<EventResult[]> {
  const entries = await readMany(
    client,
    ids.map((id) => client.keys.result(id)),
  );
  return entries
    .flatMap((entry) => {
      const decoded = decodeRecord(entry);
      return decoded.ok ? [decoded.value as unknown as EventResult] : [];
    })
    .sort((a, b) => ((a.StartedAt ?? '') < (b.StartedAt ?? '') ? 1 : -1));
}

/** Many keys, 64 with one request; those that do not exist are left out. */
export async function readMany(client: Client, wanted: readonly string[]): Promise<Entry[]> {
  const found: Entry[] = [];
  for (let at = 0; at < wanted.length; at += TXN_OPS) {
    const chunk = wanted.slice(at, at + TXN_OPS);
    const result = await client.txn(chunk.map((key) => ({ verb: 'get' as const, key })));
    if (result.ok) found.push(...result.entries);
    // One of them is gone, and a `get` of it fails them all: one by one then.
    else
      for (const key of chunk) {
        const entry = await client.get(key);
        if (entry !== undefined) found.push(entry);
      }
  }
  return found;
}
