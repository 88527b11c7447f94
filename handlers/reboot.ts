/**
 * A machine that reboots in the middle of a task. Its claim falls free while it is away; a mark in the outcome
 * keeps others from calling it lost, and the record on its own disk (src/operations/reboot-record.ts) lets the next
 * execute take the claim again and go on. Without the record nobody goes on: then it is lost, when its time is over.
 */
import { MetronomeError } from '../src/errors.js';
import { readBootId, readPendingReboot } from '../src/operations/reboot-record.js';
import type { TaskLog } from '../src/operations/types.js';
import { type Claim, type Incoming, markReboot } from '../src/store/inbox.js';
import { readNodeResult, writeLog } from '../src/store/results.js';
import { type Patience, patiently } from '../src/store/retry.js';
import type { Context } from './context.js';
import type { Lease } from './lease.js';

const MARK: Patience = { retries: 8, first: 100, most: 2000 };

/** What the local record says about an assignment; undefined: this node does not reboot for it. */
export function pendingRebootOf(context: Context, incoming: Incoming) {
  const { id, no, assignment } = incoming;
  const pending = readPendingReboot(placeOf(context, incoming));
  if (pending === undefined || pending.attempt !== assignment.attempt) return undefined;
  return { eventId: id, step: no, timeout: pending.timeout, away: pending.bootId === readBootId() };
}

/** Where the record of an assignment lies. */
export function placeOf(context: Context, { id, no }: Pick<Incoming, 'id' | 'no'>) {
  return { identity: { eventId: id, step: no }, config: context.config };
}

/**
 * The claim of a task that goes on: it began when it began, and as long as the machine has not gone down yet the
 * mark stays.
 */
export async function claimAfterReboot(context: Context, claim: Claim, incoming: Incoming): Promise<Claim> {
  const pending = pendingRebootOf(context, incoming);
  if (pending === undefined) return claim;
  const before = await readNodeResult(context.client, claim.id, claim.no, claim.node);
  const startedAt = Date.parse(before?.StartedAt ?? '');
  return {
    ...claim,
    ...(Number.isNaN(startedAt) ? {} : { startedAt }),
    ...(pending.away ? { reboot: pending.timeout } : {}),
  };
}

/**
 * Before the machine is told to reboot: the mark, without which others would call the target lost in the middle of
 * its boot, and the log so far. Throws when the claim is not ours any more, or Consul does not answer: then
 * nothing is rebooted.
 */
export async function tellOfReboot(
  context: Context,
  claim: () => Claim,
  lease: Lease,
  taskLog: TaskLog,
  timeout: number,
): Promise<void> {
  const { client } = context;
  const patience = { ...MARK, signal: context.signal };
  for (let tries = 0; ; tries += 1) {
    if (await patiently(() => markReboot(client, claim(), timeout), patience)) break;
    if (tries > 0) throw new MetronomeError('was not run: the claim was given away');
    // The session may be lost and the claim ours nevertheless.
    await lease.renewNow();
  }
  await publishLog(context, claim(), taskLog);
}

/** The log as far as it is: the machine may be gone at any moment now. */
export async function publishLog(context: Context, claim: Claim, taskLog: TaskLog): Promise<void> {
  const { id, no, node, session } = claim;
  try {
    await writeLog(context.client, id, no, node, taskLog.text(), session);
  } catch (error) {
    context.log.debug(`the log before the reboot is not written: ${String(error)}`);
  }
}

/** What the task had logged before the machine went down. */
export async function logBefore(context: Context, incoming: Incoming, node: string): Promise<string> {
  if (pendingRebootOf(context, incoming) === undefined) return '';
  const entry = await context.client.get(context.client.keys.log(incoming.id, incoming.no, node));
  return entry?.value ?? '';
}
