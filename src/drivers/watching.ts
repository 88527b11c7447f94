import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UnreachableError } from '../errors.js';
import type { Logger } from '../log.js';

/** Whether Consul answers, as the parts of the agent see it; says so in the log when that changes. */
export interface Link {
  readonly up: boolean;
  answered(): void;
  failed(what: string, error: unknown): void;
  /** Resolves with the first failure. */
  readonly troubled: Promise<void>;
}

/** @param back is called when Consul answers after an outage. */
export function createLink(log: () => Logger, back: () => void): Link {
  let up: boolean | undefined;
  const said = new Set<string>();
  let settle = () => {};
  const troubled = new Promise<void>((resolve) => (settle = resolve));
  return {
    troubled,
    get up() {
      return up === true;
    },
    answered() {
      const before = up;
      up = true;
      said.clear();
      if (before !== false) return;
      log().info('Consul answers again');
      back();
    },
    failed(what, error) {
      const line = `${what}: ${messageOf(error)}`;
      const unreachable = error instanceof UnreachableError;
      // An outage is one line, however many parts run into it; another fault is said once until things go well.
      const known = unreachable ? up === false : said.has(line);
      if (unreachable) up = false;
      said.add(line);
      settle();
      if (known) log().debug(line);
      else if (unreachable) log().warn(`${line}; trying again until it does`);
      else log().error(line);
    },
  };
}

export interface Watching<T> {
  /** For messages: `watching the inbox`. */
  readonly what: string;
  /**
   * Hangs until something changes. `mark` is what the last answer gave, '' to be answered at once: for the first
   * time, after an error, and where Consul's index went back (it was restored; Consul, "blocking queries").
   */
  ask(mark: string, signal: AbortSignal): Promise<{ value: T; mark: string }>;
  answered(value: T): Promise<void> | void;
  readonly link: Link;
  readonly signal: AbortSignal;
}

/** ms before the first new try; doubles up to the last, each with a random part so that nodes do not come all at once. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;
/** An answer that says nothing new, sooner than this, is no reason to ask again at once (ms). */
const TOO_SOON = 1000;

/** Asks again and again until it is told to stop; whatever goes wrong is said and tried again. */
export async function keepWatching<T>(watching: Watching<T>): Promise<void> {
  const { signal, link } = watching;
  let mark = '';
  let failures = 0;
  while (!signal.aborted) {
    try {
      const asked = performance.now();
      const answer = await watching.ask(mark, signal);
      link.answered();
      failures = 0;
      const same = answer.mark === mark;
      mark = answer.mark;
      if (!same) await watching.answered(answer.value);
      else if (performance.now() - asked < TOO_SOON) await pause(TOO_SOON, signal);
    } catch (error) {
      if (signal.aborted) return;
      link.failed(watching.what, error);
      mark = '';
      failures += 1;
      const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1));
      await pause(longest / 2 + (Math.random() * longest) / 2, signal);
    }
  }
}

/** Waits, or until it is told to stop. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    // Told to stop: the caller looks.
  }
}
