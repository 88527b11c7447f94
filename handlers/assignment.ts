import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UnreachableError } from '../src/errors.js';
import { duration } from '../src/run/time.js';
import type { Run } from '../src/run/types.js';
import type { Schedule, TaskDefinition } from '../src/schedule/types.js';
import {
  type Claim,
  claim,
  claimAgain,
  discard,
  type Ending,
  type Finish,
  finish,
  type Inbox,
  type Incoming,
} from '../src/store/inbox.js';
import { configValuesOf, substitute, variablesOf } from '../src/schedule/variables.js';
import { forgetPendingReboot } from '../src/operations/reboot-record.js';
import { decodeOutcome } from '../src/store/documents.js';
import { writeLog } from '../src/store/results.js';
import { type Patience, patiently } from '../src/store/retry.js';
import { readRun } from '../src/store/runs.js';
import { SESSION_TTL } from '../src/store/session.js';
import type { StopReason, TaskConsul, TaskContext, TaskLog, TaskOutcome } from '../src/operations/types.js';
import type { Finished } from './look.js';
import { agentServicesSettled } from './services.js';
import type { Context } from './context.js';
import { type Lease, openLease } from './lease.js';
import { claimAfterReboot, logBefore, pendingRebootOf, placeOf, publishLog, tellOfReboot } from './reboot.js';
import { taskConsul } from './task-consul.js';

export type Execution =
  /** The task ran here and its result is handed in. */
  | {
      readonly kind: 'ran';
      readonly status: Ending['status'];
      readonly finished: Finished;
      readonly inbox?: Inbox;
    }
  /** Nothing to do with it: its run is over, or somebody else settled it. */
  | { readonly kind: 'gone' }
  /** Not now: held by another session, or its outcome is to be judged by dispatch. */
  | { readonly kind: 'later' }
  /** The machine is going down; the task goes on when it is back. */
  | { readonly kind: 'rebooting' };

/** Tasks shorter than this are not worth a hanging request that listens for a cancel (ms). */
const LISTEN_AFTER = 1000;
/** A log up to this size travels in the finish transaction (bytes); a larger one goes before it, on its own. */
const SMALL_LOG = 64 * 1024;
/** How long a result is offered to a Consul that does not answer (ms). */
const DELIVER_FOR = 600_000;
const PUBLISH_EVERY = 2000;
/** How often dispatch is called while a task runs (ms). */
const LOOK_EVERY = 5000;
/** Nothing is lost yet when a claim cannot be made; the timer comes again. */
const CLAIM: Patience = { retries: 6, first: 100, most: 2000 };
/** ms; two of the three renewals within one TTL may fail. */
const TWO_RENEWALS = 8000;
/** How long a result is still offered after metronome was told to stop (ms). */
const DELIVER_WHEN_STOPPED = 10_000;

/**
 * Executes one assignment: the claim, the task's operations, the finish, the log beside it.
 * Started twice, late, or beside another, it finds a conflict and leaves everything as it is.
 */
export async function executeAssignment(
  context: Context,
  node: string,
  incoming: Incoming,
  lease: { current?: Lease },
  look: () => Promise<unknown>,
): Promise<Execution> {
  const { client, log } = context;
  if (incoming.session !== undefined) return { kind: 'later' };
  const patience = { ...CLAIM, signal: context.signal };
  lease.current ??= await patiently(() => openLease(context, node), patience);
  const claimed = await takeClaim(context, node, incoming, lease.current);
  if (claimed === 'gone') {
    forgetPendingReboot(placeOf(context, incoming));
    await discard(client, node, incoming);
    return { kind: 'gone' };
  }
  if (claimed === 'later') return { kind: 'later' };
  const what = `event ${incoming.assignment.event} (${incoming.id}) step ${incoming.no} ${incoming.assignment.task}`;
  log.info(`${what} starts here`);
  const ending = await perform(context, claimed, incoming, lease.current, look);
  if (ending === 'rebooting') {
    log.info(`${what} goes on here when the machine is back`);
    return { kind: 'rebooting' };
  }
  if (typeof ending === 'string') {
    log.warn(`${what}: the claim was given away; the task was ended and its result is not written`);
    return { kind: 'gone' };
  }
  const { status, reason } = ending.ending;
  log.info(`${what} ended here: ${status}${reason === undefined ? '' : `, ${reason}`}`);
  const { id, no } = incoming;
  const took = context.now() - claimed.claim.startedAt;
  const { inbox, ...seen } = ending.finish;
  const { of, lastCounts = false } = incoming.assignment;
  const finished = { id, no, status, took, of, lastCounts, ...seen };
  return { kind: 'ran', status, finished, ...(inbox === undefined ? {} : { inbox }) };
}

// The claim -----------------------------------------------------------------------------------------

/** `runIndex` is that of the run as the claim found it; 0 where only a later call told that the claim was made. */
type Taken = { claim: Claim; run?: Run; runIndex: number } | 'gone' | 'later';

/** The claim, and the run if it had to be read. */
async function takeClaim(context: Context, node: string, incoming: Incoming, lease: Lease): Promise<Taken> {
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

// The task ------------------------------------------------------------------------------------------

async function perform(
  context: Context,
  { claim: first, run, runIndex }: Exclude<Taken, string>,
  incoming: Incoming,
  lease: Lease,
  look: () => Promise<unknown>,
): Promise<{ ending: Ending; finish: Finish } | 'taken' | 'rebooting'> {
  const { log, config } = context;
  const { assignment } = incoming;
  const { createTaskLog } = await import('../src/operations/task-log.js');
  const { forgetClaim } = await import('../src/operations/leftovers.js');
  const secrets = [config.token, config.eventKey].filter((secret) => secret !== undefined);
  const earlier = await patiently(() => logBefore(context, incoming, first.node), CLAIM);
  const taskLog: TaskLog = createTaskLog({ now: () => new Date(context.now()), secrets, earlier });
  const stop = new AbortController();
  const stopTask = (status: StopReason['status'], reason: string) => {
    if (!stop.signal.aborted) stop.abort({ status, reason } satisfies StopReason);
  };
  let current = first;
  let taken = false;

  // The session was lost and made anew: the claim is taken again, or somebody has given it away.
  lease.onNew(async () => {
    const again = { ...current, session: lease.session };
    const result = await retakeClaim(context, again);
    if (result === 'mine') current = again;
    else if (result === 'taken') {
      taken = true;
      stopTask('lost', 'the claim was given away');
    }
  });
  const interrupted = () => stopTask('interrupted', 'metronome was told to stop');
  context.signal.addEventListener('abort', interrupted, { once: true });
  if (context.signal.aborted) interrupted();

  let away = false;
  const beforeReboot = async ({ timeout }: { readonly timeout: number }) => {
    await tellOfReboot(context, () => current, lease, taskLog, timeout);
    away = true;
  };
  const watchdog = setInterval(() => {
    // A machine on its way down loses its network before its handlers, and others know that it is away.
    if (away) return;
    // Others may call it lost `lost_grace` after the session ended: before that nothing of it may run here.
    const silence = context.monotonic() - lease.lastGood;
    if (silence > silenceAllowed(assignment))
      stopTask('lost', `no contact with Consul for ${duration(silence)}`);
  }, 250);
  const over = new AbortController();
  // Where a timer drives, nobody else on this node looks while this call is at work: step_timeout and the like.
  const caretaker = setInterval(() => {
    look().catch((error: unknown) => log.debug(`looking around: ${messageOf(error)}`));
  }, LOOK_EVERY);
  const listening = listenForStop(context, current, runIndex, stopTask, over.signal);
  const publishing = publish(context, () => current, taskLog, over.signal);

  // Each task has a mark of its own: what an earlier task of this handler left running on purpose is not this one's.
  const claimName = `${first.session}.${incoming.id}.${incoming.no}`;
  let outcome: TaskOutcome;
  try {
    outcome = await runIt(context, incoming, run, taskLog, stop.signal, claimName, beforeReboot);
  } finally {
    over.abort();
    clearInterval(watchdog);
    clearInterval(caretaker);
    context.signal.removeEventListener('abort', interrupted);
    forgetClaim(config.stateDir, claimName);
    await Promise.all([listening, publishing]);
  }
  if (taken) return 'taken';
  const place = placeOf(context, incoming);
  // Told to stop by the shutdown that the task itself asked for: it is not over.
  if (outcome.status === 'interrupted' && pendingRebootOf(context, incoming) !== undefined) {
    await publishLog(context, current, taskLog);
    return 'rebooting';
  }
  forgetPendingReboot(place);
  if (outcome.status === 'success') await agentServicesSettled(context, current.node);
  const ending = endingOf(context, outcome, taskLog);
  const delivered = await deliver(
    context,
    () => current,
    () => taken,
    ending,
    incoming.assignment.of,
    lease,
  );
  lease.onNew(async () => {});
  if (delivered === undefined) return 'taken';
  log.debug(`the result of ${incoming.id}/${incoming.no} is handed in`);
  return { ending, finish: delivered };
}

/**
 * How long (ms) a task may run on without word from Consul: TERM, the grace and KILL must all be over
 * before others call it lost. They count `lost_grace` from when Consul ended the session, which is at the
 * earliest one TTL after the last renewal; so a short `lost_grace` need not end tasks between two renewals.
 */
export function silenceAllowed(assignment: { readonly grace: number; readonly lostGrace: number }): number {
  const ending = Math.min(assignment.grace, assignment.lostGrace / 3) + 2000;
  const beforeLost = SESSION_TTL * 1000 + assignment.lostGrace - ending;
  return Math.max(assignment.lostGrace - ending, Math.min(beforeLost, TWO_RENEWALS));
}

async function runIt(
  context: Context,
  incoming: Incoming,
  known: Run | undefined,
  taskLog: TaskLog,
  signal: AbortSignal,
  claimName: string,
  beforeReboot: NonNullable<TaskContext['beforeReboot']>,
): Promise<TaskOutcome> {
  const { config } = context;
  const { assignment, id, no } = incoming;
  const failed = (reason: string): TaskOutcome => {
    taskLog.line('ERROR', reason);
    return { status: 'error', reason, retried: 0 };
  };
  try {
    const { recordClaim } = await import('../src/operations/leftovers.js');
    recordClaim(config.stateDir, claimName);
    const node = await context.node();
    const found = await findTask(context, assignment.pattern, assignment.task, node);
    if (typeof found === 'string') return failed(found);
    const run = known ?? (assignment.hasData ? (await readRun(context.client, id))?.run : undefined);
    const { runTask, TASK_TIMEOUT } = await import('../src/operations/run-task.js');
    const { schedule, task } = found;
    const left = variablesLeaveOut(schedule, config, assignment.variables);
    if (left !== undefined) {
      taskLog.line('INFO', `-- Task ${assignment.task} is skipped: ${left}`);
      return { status: 'skip', reason: left, retried: 0 };
    }
    const workDir = join(config.stateDir, 'work', `${id}-${no}`);
    mkdirSync(workDir, { recursive: true, mode: 0o700 });
    const taskContext: TaskContext = {
      identity: {
        eventId: id,
        event: assignment.event,
        step: no,
        task: assignment.task,
        node,
        pattern: assignment.pattern,
        payload: run?.payload ?? '',
        data: run?.data ?? {},
        attempt: assignment.attempt,
      },
      schedule,
      config,
      consul: taskConsul(context) satisfies TaskConsul,
      log: taskLog,
      signal,
      grace: Math.min(assignment.grace, Math.max(1000, assignment.lostGrace / 3)),
      workDir,
      claim: claimName,
      beforeReboot,
    };
    try {
      const options = {
        timeout: assignment.timeout ?? task.timeout ?? schedule.defaults.timeout ?? TASK_TIMEOUT,
        ...(assignment.retries === undefined ? {} : { retries: assignment.retries }),
        ...(assignment.retryDelay === undefined ? {} : { retryDelay: assignment.retryDelay }),
        ...(assignment.retryBackoff === undefined ? {} : { retryBackoff: assignment.retryBackoff }),
        ...(assignment.successCodes === undefined ? {} : { successCodes: assignment.successCodes }),
      };
      let outcome = await runTask(task, taskContext, options);
      // Told to reboot: the next call waits for the machine to go down, and says so when it does not.
      while (outcome.rebootAt !== undefined) outcome = await runTask(task, taskContext, options);
      return outcome;
    } finally {
      rmSync(workDir, { recursive: true, force: true });
    }
  } catch (error) {
    return failed(`metronome could not run task ${assignment.task}: ${messageOf(error)}`);
  }
}

/** The task as this node's own files define it, or why there is none. */
async function findTask(
  context: Context,
  pattern: string,
  name: string,
  node: string,
): Promise<{ schedule: Schedule; task: TaskDefinition } | string> {
  const { schedules, problems } = await context.schedules();
  const schedule = schedules.find((one) => one.pattern === pattern);
  if (schedule === undefined) {
    const broken =
      problems.find((problem) => problem.place.file.split('/').at(-2) === pattern) ?? problems[0];
    if (broken !== undefined)
      return `${broken.place.file}:${broken.place.line}:${broken.place.column}: ${broken.message} (metronome validate shows all)`;
    return `${node} has no schedule file with pattern ${pattern}: add it to "files"`;
  }
  const task = Object.hasOwn(schedule.tasks, name) ? schedule.tasks[name] : undefined;
  if (task === undefined)
    return `${schedule.file} on ${node} defines no task ${name}: its file differs from that of the node that planned the run`;
  return { schedule, task };
}

function variablesLeaveOut(
  schedule: Schedule,
  config: Context['config'],
  conditions: Readonly<Record<string, readonly string[]>> | undefined,
): string | undefined {
  if (conditions === undefined) return undefined;
  const variables = variablesOf(schedule, config);
  const { values: settings } = configValuesOf(config);
  for (const [name, values] of Object.entries(conditions)) {
    const text = Object.hasOwn(variables, name) ? variables[name] : undefined;
    const value = text === undefined ? undefined : substitute(text, variables, settings);
    if (value === undefined || !values.includes(value))
      return `when: variable ${name} is ${value ?? 'not set'}`;
  }
  return undefined;
}

// While it runs ---------------------------------------------------------------------------------------

/** Hangs on the run's key and stops the task when the step is being stopped, or its run has ended without it. */
async function listenForStop(
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
async function publish(
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

/** The claim for a new session: ours, given away, or Consul has not decided (try again later). */
async function retakeClaim(context: Context, again: Claim): Promise<'mine' | 'taken'> {
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

// The result ------------------------------------------------------------------------------------------

function endingOf(context: Context, outcome: TaskOutcome, taskLog: TaskLog): Ending {
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
async function deliver(
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
