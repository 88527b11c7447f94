import type { Turn } from '../run/looks.js';
import type { Client, Entry } from './client.js';
import { decodeRecord } from './documents.js';

/** The turn as an entry of the store says; one that cannot be read is nobody's. */
export function turnOf(entry: Entry | undefined): Turn | undefined {
  if (entry === undefined) return undefined;
  const decoded = decodeRecord(entry);
  const { no, phase, by } = decoded.ok ? decoded.value : {};
  const known =
    typeof no === 'number' && (phase === 'waiting' || phase === 'looking') && typeof by === 'string';
  return known ? { no, phase, by } : undefined;
}

/**
 * Says that somebody looks, of a run that is still there: the run exists · the turn key, whoever wrote it last.
 * Without the check a late one would leave a key behind of a run that has ended. False: it has.
 */
export async function writeLooking(client: Client, id: string, turn: Turn): Promise<boolean> {
  const result = await client.txn([
    // `get` fails for a key that is missing, and with it the transaction.
    { verb: 'get', key: client.keys.run(id) },
    { verb: 'set', key: client.keys.turn(id), value: JSON.stringify(turn) },
  ]);
  return result.ok;
}
