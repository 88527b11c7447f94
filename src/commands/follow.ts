import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, type ExitCode, UnreachableError } from '../errors.js';
import type { Client } from '../store/client.js';
import { type Changes, openChanges } from '../store/changes.js';
import { type DetailedEvent, readEvent } from './event-view.js';
import { createScreen } from './screen.js';
import { progressLines } from './progress.js';
import { showEvent } from './show-event.js';
import { bar } from './progress.js';
import { paint, statusWord, toneOf } from './paint.js';
import type { Invocation } from './types.js';

/** Views are drawn anew at the most so often (ms), and on a terminal at least once a second: spans grow. */
const AT_MOST_EVERY = 300;
const CLOCK = 1000;
const QUIET = 60_000;

/**
 * Follows one event by blocking queries until it has ended, and shows how it goes: drawn in place on a terminal, a line
 * for each thing that happens elsewhere, nothing with `silent`. Returns how it ended, or undefined when it was interrupted.
 */
export async function followEvent(
  invocation: Invocation,
  id: string,
  options: { readonly silent?: boolean } = {},
): Promise<DetailedEvent | undefined> {
  const { io, flags, signal } = invocation;
  const context = invocation.context();
  const { keys } = context.client;
  const screen = createScreen(io);
  const silent = options.silent === true;
  const clock = () => ({ utc: flags.utc === true, now: context.now() });
  let before: DetailedEvent | undefined;
  const seen = await watching(
    context.client,
    [keys.progressOf(id), keys.queue, keys.control(id)],
    signal,
    io.terminal && !silent ? CLOCK : QUIET,
    async () => {
      const event = await readEvent(context, id);
      // Between queue and run, or pushed this very moment.
      if (event === undefined) return undefined;
      if (silent) return event.FinishedAt === undefined ? undefined : event;
      if (io.terminal) {
        const style = { columns: io.columns, colour: io.colour, clock: clock(), nodes: flags.nodes === true };
        const ended = event.FinishedAt !== undefined;
        const lines = showEvent(event, style);
        screen.draw(ended ? lines : [...lines, '', bar(event, style)], ended);
      } else {
        for (const line of progressLines(before, event, clock())) io.out(`${line}\n`);
      }
      before = event;
      return event.FinishedAt === undefined ? undefined : event;
    },
    (trouble) => {
      if (!silent) io.err(`metronome: ${trouble}: waiting for it`);
    },
  );
  screen.end();
  return seen;
}

/**
 * Calls `look` at every change below the prefixes, and after `most` ms without one, until it gives something or the signal
 * ends it. While Consul is away it waits, and says so once.
 */
export async function watching<T>(
  client: Client,
  prefixes: readonly string[],
  signal: AbortSignal,
  most: number,
  look: () => Promise<T | undefined>,
  troubled: (message: string) => void,
): Promise<T | undefined> {
  const changes: Changes = openChanges(client, prefixes, signal);
  let said = false;
  try {
    while (!signal.aborted) {
      try {
        const found = await look();
        if (found !== undefined) return found;
        said = false;
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error;
        if (!said) troubled(error.message);
        said = true;
        await sleep(CLOCK, undefined, { signal }).catch(() => {});
      }
      await changes.next(most);
      await sleep(AT_MOST_EVERY, undefined, { signal }).catch(() => {});
    }
    return undefined;
  } finally {
    changes.close();
  }
}

/** The exit code of a run: 0 for success and skip, 4 for timeout, 1 for every other end. */
export function exitCodeOf(status: string): ExitCode {
  if (status === 'success' || status === 'skip') return EXIT.done;
  return status === 'timeout' ? EXIT.timeout : EXIT.failed;
}

/** Waits for the event's end as `--wait` does: shows progress, or with --json only the end; the exit code is the run's. */
export async function waitForEnd(invocation: Invocation, id: string): Promise<ExitCode> {
  const { io, flags } = invocation;
  const json = flags.json === true;
  const event = await followEvent(invocation, id, { silent: json });
  if (event === undefined) {
    io.err(
      `metronome: no longer waiting; the event goes on: metronome status ${id} shows it, metronome cancel ${id} ends it`,
    );
    return EXIT.interrupted;
  }
  if (json) io.out(`${JSON.stringify(event, null, 2)}\n`);
  else if (!io.terminal) {
    io.out(
      `${event.Name} ${event.ID}: ${paint(statusWord(event.Status), toneOf(event.Status), io.colour)}${event.Reason === undefined ? '' : `, ${event.Reason}`}\n`,
    );
  }
  if (exitCodeOf(event.Status) !== EXIT.done && !json && event.Status !== 'cancelled') {
    io.err(`metronome: metronome logs ${id} shows what the tasks printed`);
    io.err(`metronome: metronome rerun ${id} --failed goes on after the fix`);
  }
  return exitCodeOf(event.Status);
}
