import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { abandonedSessions, forgetSessions } from '../src/local/sessions.js';
import { executeTraces } from '../src/local/traces.js';
import { looksNow } from '../src/run/looks.js';
import { destroySession } from '../src/store/session.js';
import {
  type Incoming,
  inboxOf,
  keepInbox,
  readInbox,
  type Inbox,
  wantsExecute,
} from '../src/store/inbox.js';
import { type Patience, patiently } from '../src/store/retry.js';
import { executeAssignment } from './assignment.js';
import type { Context } from './context.js';
import { dispatch, type DispatchOutcome } from './dispatch.js';
import { filesValue } from './files.js';
import { lookAfter } from './look.js';
import type { Lease } from './lease.js';

/** A task may restart Consul itself: about twenty seconds, then the timer goes on. */
const RIDE_OUT: Patience = { retries: 12, first: 100, most: 2000 };

export interface ExecuteOutcome {
  /** One runs and one waits already: this one left at once. */
  readonly busy: boolean;
  readonly reason?: string;
  readonly ran: { readonly id: string; readonly no: number; readonly status: string }[];
  /** The last look that this call took after a task. */
  readonly looked?: DispatchOutcome;
}

export interface ExecuteOptions {
  /** What a blocking query has just read: saves the first read. Each claim checks its indexes, so an old one costs a conflict. */
  readonly inbox?: Inbox;
  /** Once aborted no further assignment is taken; the one at work goes on to its end. */
  readonly draining?: AbortSignal;
  /** Tells of changed schedule files although there is nothing to do; else that is left to the next tick. */
  readonly publish?: boolean;
}

/**
 * Works off this node's inbox, oldest first, until there is nothing left that can run.
 * After each assignment it dispatches, so the last target to finish starts the next step itself.
 */
export async function execute(context: Context, options: ExecuteOptions = {}): Promise<ExecuteOutcome> {
  const { config, log } = context;
  const ran: { id: string; no: number; status: string }[] = [];
  const stopping = () => context.signal.aborted || options.draining?.aborted === true;
  const patience = { ...RIDE_OUT, signal: context.signal };
  const look = async () => readInbox(context.client, await context.node());
  let given = options.inbox;
  if (given === undefined && !options.publish && !executeTraces(config.stateDir)) {
    // A watch wakes for what execute does itself, too: most of its wake-ups find nothing, and need no lock for it.
    given = await patiently(look, patience);
    if (!wantsExecute(given) && given.broken.length === 0) return { busy: false, ran };
    // Others may leave because the one that waits for the lock reads after them: what is empty is read again.
    if (given.incoming.length === 0) given = undefined;
  }
  let looked: DispatchOutcome | undefined;
  // Loaded only now: what finds nothing to do is over sooner.
  const { takeTurn } = await import('../src/local/lock.js');
  const turn = await takeTurn(config.stateDir, { stopping });
  if (turn.kind === 'busy') return { busy: true, reason: turn.reason, ran };
  const lease: { current?: Lease } = {};
  try {
    await endFormerTasks(context);
    const node = await patiently(() => context.node(), patience);
    const passedOver = new Set<string>();
    let kept = false;
    for (;;) {
      if (stopping()) break;
      const inbox = given ?? (await patiently(look, patience));
      given = undefined;
      if (!kept && (options.publish || inbox.keep === undefined || inbox.incoming.length > 0))
        await keep(context, node, inbox);
      kept = true;
      for (const { key, problem } of inbox.broken) {
        if (!passedOver.has(key)) log.error(`${key} ${problem}: it is passed over; delete it`);
        passedOver.add(key);
      }
      const incoming = inbox.incoming.find((one) => !passedOver.has(nameOf(one)));
      if (incoming === undefined) break;
      const execution = await executeAssignment(context, node, incoming, lease, async () => {
        if (looksNow(incoming.assignment.of, context.random())) await dispatch(context);
      });
      // What cannot run now is left for the next call; a changed key is another name and is looked at again.
      // Nothing else is begun on a machine that goes down.
      if (execution.kind === 'rebooting') break;
      if (execution.kind === 'later') passedOver.add(nameOf(incoming));
      if (execution.kind === 'gone') passedOver.add(nameOf(incoming));
      if (execution.kind === 'ran') {
        ran.push({ id: incoming.id, no: incoming.no, status: execution.status });
        const look = await patiently(() => lookAfter(context, execution.finished), patience);
        looked = look ?? looked;
        given = inboxAfter(context, node, execution.inbox, look);
      }
    }
  } finally {
    await lease.current?.close();
    await turn.held.release();
  }
  return { busy: false, ran, ...(looked === undefined ? {} : { looked }) };
}

/**
 * The inbox as it stands after a finish and the look behind it, where that is known without a read. What comes into
 * it after the finish saw it has a wake-up of its own, which waits for this call's lock; only what this call's own
 * look put there is nobody else's to see.
 */
function inboxAfter(
  { client }: Context,
  node: string,
  finished: Inbox | undefined,
  look: DispatchOutcome | undefined,
): Inbox | undefined {
  if (finished === undefined || look === undefined) return finished;
  const released = look.released.filter((one) => one === node).length;
  if (released !== look.own.length) return undefined;
  const { incoming } = inboxOf(client, node, look.own);
  return { ...finished, incoming: [...finished.incoming, ...incoming] };
}

function nameOf(incoming: Incoming): string {
  return `${incoming.id}/${incoming.no}@${incoming.index}`;
}

/** A handler that was killed leaves its tasks behind: they end before anything else, and their claim is free at once. */
async function endFormerTasks(context: Context): Promise<void> {
  const { stateDir } = context.config;
  const { endLeftovers, recordedClaims } = await import('../src/operations/leftovers.js');
  await endLeftovers(stateDir, { grace: 5000, log: context.log });
  // A task that could not be ended keeps its session for as long as that lives.
  if (recordedClaims(stateDir).length > 0) return;
  // Nothing runs here now, so what stands there is nobody's.
  const work = join(stateDir, 'work');
  if (existsSync(work)) rmSync(work, { recursive: true, force: true });
  // Only now: nobody may call a task lost while it runs.
  for (const session of abandonedSessions(stateDir)) {
    // What cannot be ended now ends by its TTL.
    await destroySession(context.client, session).catch(() => {});
  }
  forgetSessions(stateDir);
}

/**
 * Without `.keep` a blocking query on an empty inbox would wake for every change in the store. Its value says which
 * schedule files this node has (`metronome plan` compares them); written only when that has changed.
 */
async function keep(context: Context, node: string, inbox: Inbox): Promise<void> {
  const value = filesValue(context.files(), inbox.keep?.value, context.now());
  if (value === undefined) return;
  await keepInbox(context.client, node, value, inbox.keep?.index ?? 0);
}
