import { setTimeout as sleep } from 'node:timers/promises';

/** Why a wait was given up: says what was awaited, for how long, and what was seen or thrown last. */
export class WaitedInVain extends Error {
  override readonly name = 'WaitedInVain';
}

type Falsy = false | null | undefined | 0 | '';

/**
 * Asks until the condition gives something true, and returns that. A condition that throws is asked
 * again: what is awaited is often a server on its way up.
 */
export async function until<T>(
  condition: () => Promise<T> | T,
  what: string,
  limit = 10_000,
  every = 25,
): Promise<Exclude<T, Falsy>> {
  const start = performance.now();
  let last = 'nothing';
  for (;;) {
    try {
      const seen = await condition();
      if (seen) return seen as Exclude<T, Falsy>;
      last = `${JSON.stringify(seen)}`;
    } catch (error) {
      last = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
    if (performance.now() - start >= limit) {
      throw new WaitedInVain(`waited ${limit / 1000} s for ${what}; last seen: ${last}`);
    }
    await sleep(every);
  }
}

/** The opposite: holds for the whole span, or says when it no longer did. */
export async function holds(
  condition: () => Promise<boolean> | boolean,
  what: string,
  span = 500,
  every = 25,
): Promise<void> {
  const start = performance.now();
  do {
    if (!(await condition())) {
      throw new Error(`${what} held for ${Math.round(performance.now() - start)} ms only, not ${span}`);
    }
    await sleep(every);
  } while (performance.now() - start < span);
}
