/** What goes on beside a task: listening for its end from outside, and publishing its log. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../src/errors.js';
import type { Claim } from '../src/store/inbox.js';
import { writeLog } from '../src/store/results.js';
import type { StopReason, TaskLog } from '../src/operations/types.js';
import type { Context } from './context.js';

/** Tasks shorter than this are not worth a hanging request that listens for a cancel (ms). */
const LISTEN_AFTER = 1000;
const PUBLISH_EVERY = 2000;

/** Hangs on the run's key and stops the task when the step is being stopped, or its run has ended without it. */
export async function listenForStop(
  context: Context,
  claimed: Claim,
  since: number,
  stopTask: (status: StopReason['status'], reason: string) => void,
  over: AbortSignal,
): Promise<void> {
  const { client } = context;
  const { decodeRun } = await import('../src/store/documents.js');
  // From the run as the claim found it: in a wide step the document is long, and every executor listens.
  let index = since;
  try {
    await sleep(LISTEN_AFTER, undefined, { signal: over });
  } catch {
    return;
  }
  while (!over.aborted) {
    try {
      const seen = await client.watchKey(client.keys.run(claimed.id), { index, wait: 300_000, signal: over });
      // An index that went back means that Consul was restored: begin anew (Consul, "blocking queries").
      index = seen.index < index ? 0 : seen.index;
      if (seen.value === undefined) {
        stopTask('cancelled', 'its run has ended');
        return;
      }
      const decoded = decodeRun(seen.value, claimed.id);
      if (!decoded.ok) continue;
      const run = decoded.value;
      if (run.current !== claimed.no) stopTask('cancelled', 'its step has ended');
      else if (run.step.phase === 'stopping') {
        const why = run.step.stop;
        stopTask(why?.status === 'timeout' ? 'timeout' : 'cancelled', why?.reason ?? 'cancelled');
      }
    } catch (error) {
      if (over.aborted) return;
      context.log.debug(`listening for a cancel: ${messageOf(error)}`);
      await sleep(1000, undefined, { signal: over }).catch(() => {});
    }
  }
}

/** Writes the log as it grows, at a bounded rate: every two seconds, less often when it is long. */
export async function publish(
  context: Context,
  claim: () => Claim,
  taskLog: TaskLog,
  over: AbortSignal,
): Promise<void> {
  let published = 0;
  while (!over.aborted) {
    const pause = PUBLISH_EVERY * (1 + Math.min(9, taskLog.size / (50 * 1024)));
    try {
      await sleep(pause, undefined, { signal: over });
    } catch {
      return;
    }
    if (taskLog.size === published) continue;
    const { id, no, node, session } = claim();
    try {
      const size = taskLog.size;
      if (await writeLog(context.client, id, no, node, taskLog.text(), session)) published = size;
    } catch (error) {
      context.log.debug(`the log is not published yet: ${messageOf(error)}`);
    }
  }
}
