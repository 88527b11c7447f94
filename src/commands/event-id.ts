import type { Client } from '../store/client.js';
import { InputError } from '../errors.js';
import { idFault, shown } from '../run/names.js';
import { readEventIds } from '../store/history.js';

/** Shorter beginnings of an id are taken for a mistake. */
const LEAST = 4;

/**
 * The id that an operator means: the whole of it, or a beginning that only one known event has. Queued events are known
 * by their key in the queue, all others by their result. Throws InputError with what to do.
 */
export async function resolveId(client: Client, text: string): Promise<string> {
  const fault = idFault(text);
  if (fault !== undefined) throw new InputError(`${shown(text)} is no event id: it ${fault}`);
  const { keys } = client;
  const [result, queued] = await Promise.all([client.get(keys.result(text)), client.get(keys.queued(text))]);
  if (result !== undefined || queued !== undefined) return text;
  const found = text.length < LEAST ? [] : (await knownIds(client)).filter((id) => id.startsWith(text));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined)
    throw new InputError(`${shown(text)} begins ${found.length} event ids: give more of it`, {
      details: found.slice(0, 10),
    });
  throw new InputError(`no event ${shown(text)}: metronome status and metronome history show what there is`);
}

export async function knownIds(client: Client): Promise<string[]> {
  const { keys } = client;
  const queued = (await client.keysBelow(keys.queue)).map((key) => key.slice(keys.queue.length));
  return [...new Set([...(await readEventIds(client)), ...queued])];
}

/** Each id with the shortest beginning, of eight characters at least, that tells it from the others. */
export function shortIds(ids: readonly string[]): Map<string, string> {
  return new Map(
    ids.map((id) => {
      let length = 8;
      while (length < id.length && ids.some((other) => other !== id && other.startsWith(id.slice(0, length))))
        length += 1;
      return [id, id.slice(0, length)];
    }),
  );
}
