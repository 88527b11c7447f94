import pRetry, { AbortError } from 'p-retry';
import { UnreachableError } from '../errors.js';

export interface Patience {
  /** How often it is tried again. */
  readonly retries: number;
  /** ms before the first time; doubles up to `most`. */
  readonly first: number;
  readonly most: number;
  readonly signal?: AbortSignal;
  onRetry?(error: Error, triesLeft: number): void;
}

/** For handlers that a timer will start again anyway. */
export const SHORT: Patience = { retries: 4, first: 100, most: 1000 };
/** For a push: the event is in nobody's hands but ours until it is queued. */
export const PUSH: Patience = { retries: 6, first: 100, most: 2000 };

/**
 * Tries again while Consul does not answer or has no leader, with growing pauses; any other error is
 * passed on at once. Only for calls that may be repeated: an answer that never came is not a failure.
 */
export async function patiently<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  return pRetry(
    async () => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof UnreachableError) throw error;
        throw new AbortError(error instanceof Error ? error : new Error(String(error)));
      }
    },
    {
      retries: patience.retries,
      factor: 2,
      minTimeout: patience.first,
      maxTimeout: patience.most,
      randomize: true,
      ...(patience.signal === undefined ? {} : { signal: patience.signal }),
      onFailedAttempt: ({ error, retriesLeft }) => patience.onRetry?.(error, retriesLeft),
    },
  );
}
