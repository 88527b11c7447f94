import { setMaxListeners } from 'node:events';
import { type Context, createContext, type ScheduleSet } from '../../handlers/context.js';
import { fireDue } from '../../handlers/cron.js';
import { dispatch } from '../../handlers/dispatch.js';
import { pushNew } from '../../handlers/events.js';
import { execute } from '../../handlers/execute.js';
import { filesOf } from '../../handlers/files.js';
import { around } from '../../handlers/tick.js';
import type { Config } from '../config.js';
import type { Logger } from '../log.js';
import { looksNow } from '../run/looks.js';
import { agentName } from '../store/catalog.js';
import type { Client } from '../store/client.js';
import { watchEvents } from '../store/events.js';
import { type Inbox, inboxOf, wantsExecute } from '../store/inbox.js';
import type { Meters } from './meters.js';
import { createLink, keepWatching } from './watching.js';
import { createWorker } from './worker.js';

/** What the agent works by, until a reload puts another in its place. */
export interface InForce {
  readonly config: Config;
  readonly client: Client;
  readonly log: Logger;
  readonly set: ScheduleSet;
}

/** Starts the handlers when there is something for them to do, one of each kind at a time. */
export interface Drive {
  /** Begins to watch, and looks around once: what came while nobody was here is caught up on. */
  start(): void;
  /** Spooled pushes, due entries, dispatch; and execute, if the inbox is not known to be empty. */
  tick(): void;
  /** An entry of `schedules` is due now. */
  fire(): void;
  /** Works by something else from now on; a task at work goes on to its end under the former. */
  replace(next: InForce): void;
  /** Takes nothing new; lets the task at work go on for `patience` ms, then ends it. */
  stop(patience: number): Promise<void>;
  readonly consulUp: boolean;
  /** The inbox was seen, or Consul failed to answer, for the first time. */
  readonly tried: Promise<void>;
  readonly node: string | undefined;
  readonly executing: boolean;
  /** Assignments in the inbox as last seen. */
  readonly inbox: number;
}

/** ms that a blocking query hangs when nothing happens: Consul's own default. */
const WAIT = 300_000;
/** However far the next date is: ticks come sooner. */
const FARTHEST = 3_600_000;
/** All nodes that saw the same run come to the same date: each takes a moment of its own (ms). */
const SPREAD = 100;
/** ms that stopping waits for what was told to end: a task's TERM and KILL, and its result. */
const LAST_WAIT = 60_000;

export function createDrive(first: InForce, meters: Meters): Drive {
  let inForce = first;
  /** What is told of the files is what is in force, not what has come to lie on the disk since. */
  let files = filesOf(first.config.files);
  let watch = new AbortController();
  let watches: Promise<void>[] = [];
  /** Ends what is at work; `draining` only keeps it from taking more. */
  const work = new AbortController();
  const draining = new AbortController();
  // Every wait of every handler listens to it; Node takes more than ten for a leak, and says so.
  setMaxListeners(100, work.signal);
  let node: string | undefined;
  let seenInbox: Inbox | undefined;
  let timer: NodeJS.Timeout | undefined;

  const link = createLink(
    () => inForce.log,
    () => ticker.wake(),
  );
  let find = () => {};
  const found = new Promise<void>((resolve) => (find = resolve));
  const failed = (what: string, error: unknown) => {
    if (!work.signal.aborted) link.failed(what, error);
  };

  const context = (signal = work.signal): Context => {
    const { config, client, log, set } = inForce;
    return {
      ...createContext({ config, client, log, signal }),
      async node() {
        return node ?? identify();
      },
      schedules: async () => set,
      files: () => files,
    };
  };
  async function identify(): Promise<string> {
    const { config, client } = inForce;
    node = config.node ?? (await agentName(client));
    return node;
  }

  // When time alone will change something: a step's timeout, a window, the end of a grace.
  const later = ({ next, widest }: { next?: number; widest: number }) => {
    clearTimeout(timer);
    if (next === undefined || draining.signal.aborted) return;
    const then = () => {
      if (looksNow(widest, Math.random())) look(true);
    };
    timer = setTimeout(then, Math.min(next + Math.random() * SPREAD, FARTHEST));
  };

  let full = false;
  const dispatcher = createWorker(async () => {
    const quick = !full;
    full = false;
    try {
      const outcome = await dispatch(context(), { quick });
      meters.count('dispatches', 'success');
      later(outcome);
    } catch (error) {
      meters.count('dispatches', 'error');
      failed('dispatch', error);
    }
  });
  const look = (asFull: boolean) => {
    if (draining.signal.aborted) return;
    full ||= asFull;
    dispatcher.wake();
  };

  /** What execute is to begin with: the inbox as the watch has just seen it, or a read of its own. */
  let pending: Inbox | 'read' | undefined;
  const executor = createWorker(async () => {
    const given = pending;
    pending = undefined;
    if (draining.signal.aborted || given === undefined) return;
    if (given !== 'read' && !wantsExecute(given)) return;
    try {
      const outcome = await execute(context(), {
        ...(given === 'read' ? {} : { inbox: given }),
        draining: draining.signal,
        publish: true,
      });
      for (const { status } of outcome.ran) meters.count('tasks', status);
      if (outcome.looked !== undefined) later(outcome.looked);
    } catch (error) {
      failed('execute', error);
    }
  });
  const executeRead = () => {
    pending = 'read';
    executor.wake();
  };

  const ticker = createWorker(async () => {
    if (draining.signal.aborted) return;
    try {
      const { dispatched } = await around(context());
      meters.count('ticks', 'success');
      meters.set('lastTick', Date.now() / 1000);
      if (dispatched !== undefined) {
        later(dispatched);
        link.answered();
      }
    } catch (error) {
      meters.count('ticks', 'error');
      failed('tick', error);
    }
    // While the watch is well it tells of all that comes; what it showed and could not run is tried again.
    if (!link.up || seenInbox === undefined || wantsExecute(seenInbox)) executeRead();
  });

  const firer = createWorker(async () => {
    try {
      const fired = await fireDue(context());
      if (fired.length > 0) look(false);
    } catch (error) {
      failed('schedules', error);
    }
  });

  async function takeEvents(events: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    const outcome = await pushNew(context(), events);
    if (outcome === undefined) return;
    for (const fault of outcome.faults) inForce.log.warn(fault);
    for (const kind of ['queued', 'known', 'dismissed', 'spooled'] as const)
      for (const _ of outcome[kind]) meters.count('events', kind);
    for (const _ of outcome.faults) meters.count('events', 'refused');
    if (outcome.queued.length > 0) look(false);
  }

  function takeInbox(inbox: Inbox): void {
    seenInbox = inbox;
    find();
    meters.set('inbox', inbox.incoming.length);
    if (pending !== 'read') pending = inbox;
    if (wantsExecute(inbox)) executor.wake();
  }

  function startWatching(): void {
    watch = new AbortController();
    const { signal } = watch;
    const { client } = inForce;
    watches = [
      keepWatching<Inbox>({
        what: 'watching the inbox',
        async ask(mark) {
          // The agent may have come back under another name.
          const own = mark === '' || node === undefined ? await identify() : node;
          const index = Number(mark);
          const seen = await client.watchTree(client.keys.inbox(own), { index, wait: WAIT, signal });
          return {
            value: inboxOf(client, own, seen.value),
            mark: seen.index < index ? '' : String(seen.index),
          };
        },
        answered: takeInbox,
        link,
        signal,
      }),
      keepWatching({
        what: 'watching user events',
        async ask(mark) {
          const { events, mark: next } = await watchEvents(client, { mark, wait: WAIT, signal });
          return { value: events, mark: next };
        },
        answered: takeEvents,
        link,
        signal,
      }),
    ];
  }

  const allIdle = () =>
    Promise.all([executor.idle(), dispatcher.idle(), ticker.idle(), firer.idle(), ...watches]);

  return {
    start() {
      startWatching();
      ticker.wake();
      // A task that a killed agent left is ended before anything else runs, and the inbox gets its `.keep`.
      executeRead();
    },
    tick: () => ticker.wake(),
    fire: () => firer.wake(),
    replace(next) {
      const former = inForce;
      const endedWatches = watches;
      watch.abort();
      inForce = next;
      files = filesOf(next.config.files);
      node = undefined;
      seenInbox = undefined;
      startWatching();
      ticker.wake();
      executeRead();
      void Promise.all([...endedWatches, executor.idle(), dispatcher.idle(), ticker.idle()]).then(() => {
        if (former.client !== next.client) former.client.close();
      });
    },
    async stop(patience) {
      const { log } = inForce;
      draining.abort();
      watch.abort();
      clearTimeout(timer);
      if (await within(Math.min(patience, 500), allIdle())) return;
      log.info(`told to stop: what is at work may go on for ${patience / 1000} s`);
      if (!(await within(patience, allIdle()))) {
        log.warn(`what is at work did not end within ${patience / 1000} s: it is ended now`);
        work.abort();
        await within(LAST_WAIT, allIdle());
        // The other nodes need not wait for their tick to see how it ended.
        await within(
          5000,
          dispatch(context(AbortSignal.timeout(5000)), { quick: true }).catch(() => {}),
        );
      }
    },
    get consulUp() {
      return link.up;
    },
    tried: Promise.race([found, link.troubled]),
    get node() {
      return node;
    },
    get executing() {
      return executor.busy;
    },
    get inbox() {
      return seenInbox?.incoming.length ?? 0;
    },
  };
}

/** Whether the work ended within so many ms. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
