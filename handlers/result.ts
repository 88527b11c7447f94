/** A task's result, and handing it in. */
import { setTimeout as sleep } from 'node:timers/promises';
import { UnreachableError } from '../src/errors.js';
import { type Claim, type Ending, type Finish, finish } from '../src/store/inbox.js';
import { decodeOutcome } from '../src/store/documents.js';
import { writeLog } from '../src/store/results.js';
import type { TaskLog, TaskOutcome } from '../src/operations/types.js';
import type { Context } from './context.js';
import type { Lease } from './lease.js';

/** A log up to this size travels in the finish transaction (bytes); a larger one goes before it, on its own. */
const SMALL_LOG = 64 * 1024;
/** How long a result is offered to a Consul that does not answer (ms). */
const DELIVER_FOR = 600_000;
/** How long a result is still offered after metronome was told to stop (ms). */
const DELIVER_WHEN_STOPPED = 10_000;

export function endingOf(context: Context, outcome: TaskOutcome, taskLog: TaskLog): Ending {
  const text = taskLog.text();
  const status = outcome.status === 'lost' || outcome.status === 'interrupted' ? 'error' : outcome.status;
  return {
    status,
    finishedAt: context.now(),
    ...(outcome.reason === undefined ? {} : { reason: outcome.reason }),
    ...(outcome.exitCode === undefined ? {} : { exitCode: outcome.exitCode }),
    retried: outcome.retried,
    log: text,
  };
}

/**
 * Hands the result in, for as long as it takes Consul to come back. An answer that never came is not a
 * failure: after a conflict the outcome tells whether it was we. Undefined: the claim is
 * somebody else's.
 */
export async function deliver(
  context: Context,
  claim: () => Claim,
  taken: () => boolean,
  ending: Ending,
  of: number,
  lease: Lease,
): Promise<Finish | undefined> {
  const { client } = context;
  const since = context.monotonic();
  let pause = 100;
  for (;;) {
    const { id, no, node, session, attempt } = claim();
    try {
      if (taken()) return undefined;
      const { log: text = '', ...bare } = ending;
      const small = Buffer.byteLength(text) <= SMALL_LOG;
      if (!small) await writeLog(client, id, no, node, text, session);
      const finished = await finish(client, claim(), small ? ending : bare, of);
      if (finished !== undefined) return finished;
      const outcome = await client.get(client.keys.outcome(id, no, node), { consistent: true });
      const decoded = outcome && decodeOutcome(outcome);
      if (
        decoded?.ok &&
        decoded.value.attempt === attempt &&
        decoded.value.session === session &&
        decoded.value.status === ending.status
      )
        // What that call brought is not known: he looks.
        return {};
      if (
        outcome === undefined ||
        !decoded?.ok ||
        decoded.value.status !== 'inprogress' ||
        decoded.value.attempt !== attempt
      )
        return undefined;
      // The session is gone: take the claim again with a new one.
      await lease.renewNow();
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const patience = context.signal.aborted ? DELIVER_WHEN_STOPPED : DELIVER_FOR;
      if (context.monotonic() - since > patience) throw error;
      context.log.warn(`the result of ${id}/${no} waits for Consul: ${error.message}`);
    }
    await sleep(pause);
    pause = Math.min(pause * 2, 2000);
  }
}
