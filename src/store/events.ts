import type { Client } from './client.js';

/** The user events that an agent still has in memory (256 at most), oldest first, as Consul's own event watch hands them over. */
export interface EventList {
  readonly events: readonly Readonly<Record<string, unknown>>[];
  /** For the next query. */
  readonly mark: string;
}

/**
 * Hangs until the agent's user events change or `wait` (ms) is over; with `mark` '' it answers at once.
 * The mark is a hash of the last event's id: it neither grows nor fits into a number, any other one is a change.
 * The same events may come again.
 */
export async function watchEvents(
  client: Client,
  options: { readonly mark: string; readonly wait: number; readonly signal?: AbortSignal },
): Promise<EventList> {
  const { mark, wait, signal } = options;
  const seen = await client.watchCall<Record<string, unknown>[] | null>(
    'watch user events',
    { index: 0, wait, ...(signal === undefined ? {} : { signal }) },
    (consul, query) => consul.event.list({ ...query, ...(mark === '' ? {} : { index: mark }) } as never),
  );
  return { events: seen.value ?? [], mark: seen.mark };
}

/** The same, at once. */
export async function readEvents(client: Client): Promise<EventList['events']> {
  const { events } = await watchEvents(client, { mark: '', wait: 1000 });
  return events;
}
