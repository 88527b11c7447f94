import type { Turn } from '../run/looks.js';
import type { Client, Entry } from './client.js';
import { decodeRecord } from './documents.js';

export interface SeenTurn {
  readonly turn?: Turn;
  /** 0: there is no such key. */
  readonly index: number;
}

/** The turn as an entry of the store says; one that cannot be read counts as nobody's. */
export function turnOf(entry: Entry | undefined): SeenTurn {
  if (entry === undefined) return { index: 0 };
  const decoded = decodeRecord(entry);
  const { no, phase, by } = decoded.ok ? decoded.value : {};
  const known =
    typeof no === 'number' && (phase === 'waiting' || phase === 'looking') && typeof by === 'string';
  return known ? { turn: { no, phase, by }, index: entry.modifyIndex } : { index: entry.modifyIndex };
}

export async function readTurn(client: Client, id: string): Promise<SeenTurn> {
  return turnOf(await client.get(client.keys.turn(id)));
}

/**
 * Takes or gives on the turn of a run that is still there: the run exists · cas of the turn key. Without the
 * first check a late finisher would leave a key behind of a run that has ended. The new index, or undefined
 * when somebody else was first or the run is over.
 */
export async function writeTurn(
  client: Client,
  id: string,
  turn: Turn,
  index: number,
): Promise<number | undefined> {
  const key = client.keys.turn(id);
  const result = await client.txn([
    // `get` fails for a key that is missing, and with it the transaction.
    { verb: 'get', key: client.keys.run(id) },
    { verb: 'cas', key, value: JSON.stringify(turn), index },
  ]);
  if (!result.ok) return undefined;
  return result.entries.find((entry) => entry.key === key)?.modifyIndex;
}
