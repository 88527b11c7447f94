import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { duration } from '../run/time.js';
import type { RebootOperation, TaskDefinition } from '../schedule/types.js';
import { OperationFailure, type Perform, runProgram, shownPlace } from './operation.js';
import {
  forgetPendingReboot,
  type PendingReboot,
  readBootId,
  readPendingReboot,
  writePendingReboot,
} from './reboot-record.js';
import type { TaskContext } from './types.js';

/** ms until the machine must be back. */
const BACK_WITHIN = 600_000;
const LOOK_EVERY = 500;

/**
 * `reboot: {command, timeout}` reboots the machine; the task goes on with its next operation afterwards.
 *
 * 1. What the task needs to go on is written to the local disk (`reboot-record.ts`), then `beforeReboot` of the
 *    context is awaited: there the caller writes to Consul that this target will be away for `timeout`.
 * 2. The command runs: `command` by /bin/sh, else `systemctl reboot` or `shutdown -r now` as `service-manager` says.
 *    If it fails, the record is removed and the operation has failed.
 * 3. The attempt ends with `rebootAt`, the index of the next operation, and the status `interrupted`. The caller
 *    keeps the assignment (it is neither done nor failed) and goes away, or calls `runTask` again at once.
 * 4. Whoever calls `runTask` for the same event, step and attempt finds the record. Another boot id: the machine is back,
 *    the record is removed (so that the task goes on once and not twice), and the task begins at `resumeAt`. The same boot id: it
 *    waits for the machine to go down, and when `timeout` has passed since it was told to, the task has failed.
 *
 * A caller that knows where to go on but finds no record (another state folder) says so by `resumeAt` of the context.
 */
export const perform: Perform<RebootOperation> = async (operation, context) => {
  const { task } = context;
  const { identity } = task;
  const bootId = readBootId();
  if (bootId === undefined)
    throw new OperationFailure(
      'was not run: this system has no boot id, so nobody could tell when it is back',
      {
        final: true,
      },
    );
  const timeout = operation.timeout ?? BACK_WITHIN;
  const resumeAt = context.index + 1;
  writePendingReboot(task, {
    eventId: identity.eventId,
    step: identity.step,
    task: identity.task,
    attempt: identity.attempt,
    resumeAt,
    bootId,
    askedAt: uptime(),
    timeout,
    variables: context.taken,
  });
  try {
    await task.beforeReboot?.({ resumeAt, timeout });
    await runProgram(rebootCommand(operation, context.text, task.config.serviceManager), context);
  } catch (error) {
    // Ended by the machine's own going down, it is not failed: the record stays, and the boot id will tell.
    if (!context.signal.aborted || !goingDown(context.signal)) forgetPendingReboot(task);
    throw error;
  }
  task.log.line('INFO', `-- the machine was told to reboot and must be back within ${duration(timeout)}`);
  return { rebootAt: resumeAt };
};

function rebootCommand(
  { command }: RebootOperation,
  text: (source: string) => string,
  manager: TaskContext['config']['serviceManager'],
) {
  if (command !== undefined) return { program: '/bin/sh', input: text(command) };
  if (manager === 'systemd') return { program: 'systemctl', arguments: ['reboot'] };
  return { program: 'shutdown', arguments: ['-r', 'now'] };
}

function goingDown(signal: AbortSignal): boolean {
  return (signal.reason as { status?: string } | undefined)?.status === 'interrupted';
}

/** Where a task goes on that told its machine to reboot; fails when the machine did not. Ends at once by the signal. */
export async function afterReboot(
  task: TaskDefinition,
  context: TaskContext,
): Promise<{ at: number; variables: Readonly<Record<string, string>> }> {
  const { log, signal, identity } = context;
  const pending = readPendingReboot(context);
  if (pending === undefined || pending.attempt !== identity.attempt) {
    forgetPendingReboot(context);
    return { at: context.resumeAt ?? 0, variables: {} };
  }
  while (readBootId() === pending.bootId) {
    const passed = (uptime() - pending.askedAt) * 1000;
    if (passed >= pending.timeout) {
      forgetPendingReboot(context);
      throw new OperationFailure(notBack(task, pending));
    }
    await sleep(Math.min(LOOK_EVERY, pending.timeout - passed + 1), undefined, { signal });
  }
  log.line(
    'INFO',
    `-- Task ${task.name}: the machine is back, going on at operation ${pending.resumeAt + 1}`,
  );
  forgetPendingReboot(context);
  return { at: pending.resumeAt, variables: pending.variables };
}

function notBack(task: TaskDefinition, { resumeAt, timeout }: PendingReboot): string {
  const operation = task.operations[resumeAt - 1];
  const where = operation === undefined ? '' : ` at ${shownPlace(operation.place)}`;
  return `reboot${where}: the machine has not rebooted within ${duration(timeout)} (its boot id is the same)`;
}
