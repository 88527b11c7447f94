/** Taking a claim on an assignment, and taking it again with a new session. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Run } from '../src/run/types.js';
import { type Claim, claim, claimAgain, type Incoming } from '../src/store/inbox.js';
import { decodeOutcome } from '../src/store/documents.js';
import { type Patience, patiently } from '../src/store/retry.js';
import { readRun } from '../src/store/runs.js';
import type { Context } from './context.js';
import type { Lease } from './lease.js';
import { claimAfterReboot, pendingRebootOf } from './reboot.js';

/** Nothing is lost yet when a claim cannot be made; the timer comes again. */
export const CLAIM: Patience = { retries: 6, first: 100, most: 2000 };

/** `runIndex` is that of the run as the claim found it; 0 where only a later call told that the claim was made. */
export type Taken = { claim: Claim; run?: Run; runIndex: number } | 'gone' | 'later';

/** The claim, and the run if it had to be read. */
export async function takeClaim(
  context: Context,
  node: string,
  incoming: Incoming,
  lease: Lease,
): Promise<Taken> {
  // An answer that never came is not a failure: the next try reads whether it was we.
  const tried = { once: false };
  return patiently(() => tryClaim(context, node, incoming, lease, tried), {
    ...CLAIM,
    signal: context.signal,
  });
}

async function tryClaim(
  context: Context,
  node: string,
  incoming: Incoming,
  lease: Lease,
  tried: { once: boolean },
): Promise<Taken> {
  const { client } = context;
  const { id, no, assignment } = incoming;
  let inboxIndex = incoming.index;
  let runIndex = assignment.runIndex ?? incoming.createIndex;
  let outcomeIndex: number | undefined;
  let run: Run | undefined;
  const resumes = pendingRebootOf(context, incoming) !== undefined;
  let blind = assignment.attempt === 1 && !assignment.hasData && !tried.once && !resumes;
  for (let attempt = 0; attempt < 20; attempt += 1) {
    if (!blind) {
      // Read what the claim checks: a conflict said that something of it had changed.
      const read = await readRun(client, id);
      if (read === undefined || read.run.current !== no || !read.run.step.targets.includes(node))
        return 'gone';
      if (read.run.step.phase !== 'running') return 'later';
      const outcome = await client.get(client.keys.outcome(id, no, node), { consistent: true });
      const decoded = outcome && decodeOutcome(outcome);
      if (
        tried.once &&
        decoded?.ok &&
        decoded.value.status === 'inprogress' &&
        decoded.value.session === lease.session &&
        decoded.value.attempt === assignment.attempt
      ) {
        // The answer to our own claim never came; it was we.
        return { claim: claimOf(context, node, incoming, lease.session), run: read.run, runIndex: 0 };
      }
      // This node's own attempt, at work when its machine went down: the record on its disk proves it.
      const back =
        resumes &&
        decoded?.ok === true &&
        decoded.value.status === 'inprogress' &&
        decoded.value.attempt === assignment.attempt;
      if (!back && assignment.attempt === 1 && outcome !== undefined) return 'later';
      if (
        !back &&
        assignment.attempt > 1 &&
        (!decoded?.ok || decoded.value.status !== 'lost' || decoded.value.attempt !== assignment.attempt - 1)
      )
        return 'later';
      const inbox = await client.get(client.keys.assignment(node, id, no), { consistent: true });
      if (inbox === undefined) return 'gone';
      if (inbox.session !== undefined) return 'later';
      run = read.run;
      runIndex = read.index;
      inboxIndex = inbox.modifyIndex;
      outcomeIndex = outcome?.modifyIndex;
    }
    const fresh = claimOf(context, node, incoming, lease.session);
    const claimed = resumes ? await claimAfterReboot(context, fresh, incoming) : fresh;
    tried.once = true;
    if (
      await claim(client, claimed, {
        runIndex,
        inboxIndex,
        ...(outcomeIndex === undefined ? {} : { outcomeIndex }),
      })
    ) {
      return { claim: claimed, runIndex, ...(run === undefined ? {} : { run }) };
    }
    blind = false;
  }
  return 'later';
}

function claimOf(context: Context, node: string, incoming: Incoming, session: string): Claim {
  const { id, no, assignment, value } = incoming;
  return { node, id, no, attempt: assignment.attempt, session, value, startedAt: context.now() };
}

/** The claim for a new session: ours, given away, or Consul has not decided (try again later). */
export async function retakeClaim(context: Context, again: Claim): Promise<'mine' | 'taken'> {
  const { client } = context;
  const { id, no, node, attempt } = again;
  for (let tries = 0; tries < 20; tries += 1) {
    const inbox = await client.get(client.keys.assignment(node, id, no), { consistent: true });
    const outcome = await client.get(client.keys.outcome(id, no, node), { consistent: true });
    const decoded = outcome && decodeOutcome(outcome);
    if (inbox === undefined || outcome === undefined || !decoded?.ok) return 'taken';
    if (decoded.value.status !== 'inprogress' || decoded.value.attempt !== attempt) return 'taken';
    if (inbox.session === again.session) return 'mine';
    // The old session may be on its way out still.
    if (
      inbox.session === undefined &&
      (await claimAgain(client, again, { inboxIndex: inbox.modifyIndex, outcomeIndex: outcome.modifyIndex }))
    )
      return 'mine';
    await sleep(250);
  }
  return 'taken';
}
