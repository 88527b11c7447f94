import { setTimeout as sleep } from 'node:timers/promises';
import { UnreachableError } from '../errors.js';
import type { Client } from './client.js';

/** Tells when something below some prefixes changed, for views that follow what happens. */
export interface Changes {
  /**
   * Resolves with true at the next change (at once if there was one since the last call), with false when `most` ms are
   * over, and with false when it is told to stop. Rejects when Consul refuses (a permission), not while it is away.
   */
  next(most: number): Promise<boolean>;
  /** Consul does not answer at present: what to say of it. */
  readonly trouble: string | undefined;
  close(): void;
}

/** ms that one query hangs. */
const WAIT = 120_000;
/** A busy store wakes queries on empty prefixes all the time: no query follows another sooner than this (ms). */
const PAUSE = 200;
const AFTER_FAILURE = 1000;

/** One blocking query for each prefix (each ends with a slash or is a whole key); only names travel, not values. */
export function openChanges(client: Client, prefixes: readonly string[], signal: AbortSignal): Changes {
  const own = new AbortController();
  const stopped = AbortSignal.any([own.signal, signal]);
  let changed = false;
  let fault: unknown;
  let trouble: string | undefined;
  let wake = () => {};
  stopped.addEventListener('abort', () => wake(), { once: true });
  for (const prefix of prefixes) void watch(prefix);

  async function watch(prefix: string): Promise<void> {
    let index = 0;
    while (!stopped.aborted) {
      try {
        const seen = await client.watchKeys(prefix, { index, wait: WAIT, signal: stopped });
        trouble = undefined;
        const same = seen.index === index;
        // An index that went back means that Consul was restored: begin anew.
        index = seen.index < index ? 0 : seen.index;
        if (same) continue;
        changed = true;
        wake();
        await sleep(PAUSE, undefined, { signal: stopped });
      } catch (error) {
        if (stopped.aborted) return;
        if (!(error instanceof UnreachableError)) {
          fault = error;
          wake();
          return;
        }
        trouble = error.message;
        wake();
        await sleep(AFTER_FAILURE, undefined, { signal: stopped }).catch(() => {});
      }
    }
  }

  return {
    async next(most) {
      if (!changed && fault === undefined && !stopped.aborted) {
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, most);
        });
        clearTimeout(timer);
      }
      if (fault !== undefined) throw fault as Error;
      const was = changed;
      changed = false;
      return was && !signal.aborted;
    },
    get trouble() {
      return trouble;
    },
    close: () => own.abort(),
  };
}
