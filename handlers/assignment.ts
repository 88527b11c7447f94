import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../src/errors.js';
import { duration } from '../src/run/time.js';
import type { Run } from '../src/run/types.js';
import type { Schedule, TaskDefinition } from '../src/schedule/types.js';
import { discard, type Ending, type Finish, type Inbox, type Incoming } from '../src/store/inbox.js';
import { configValuesOf, substitute, variablesOf } from '../src/schedule/variables.js';
import { forgetPendingReboot } from '../src/operations/reboot-record.js';
import { patiently } from '../src/store/retry.js';
import { readRun } from '../src/store/runs.js';
import { SESSION_TTL } from '../src/store/session.js';
import type { StopReason, TaskConsul, TaskContext, TaskLog, TaskOutcome } from '../src/operations/types.js';
import type { Finished } from './look.js';
import { agentServicesSettled } from './services.js';
import type { Context } from './context.js';
import { type Lease, openLease } from './lease.js';
import { logBefore, pendingRebootOf, placeOf, publishLog, tellOfReboot } from './reboot.js';
import { taskConsul } from './task-consul.js';
import { CLAIM, retakeClaim, takeClaim, type Taken } from './claim.js';
import { listenForStop, publish } from './beside-task.js';
import { deliver, endingOf } from './result.js';

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

/** How often dispatch is called while a task runs (ms). */
const LOOK_EVERY = 5000;
/** ms; two of the three renewals within one TTL may fail. */
const TWO_RENEWALS = 8000;

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

  // So much longer (ms) others wait for a machine that was told to reboot, and no longer: its network goes before
  // its handlers, but a command that fails or hangs leaves the task at work here.
  let away = 0;
  const beforeReboot = async ({ timeout }: { readonly timeout: number }) => {
    // Until the answer has come, either time may be what they know.
    away = Math.min(away, timeout);
    await tellOfReboot(context, () => current, lease, taskLog, timeout);
    away = timeout;
  };
  const watchdog = setInterval(() => {
    // Others may call it lost `lost_grace` after the session ended: before that nothing of it may run here.
    const silence = context.monotonic() - lease.lastGood;
    if (silence > silenceAllowed(assignment) + away)
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
