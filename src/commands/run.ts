import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir, hostname } from 'node:os';
import { join } from 'node:path';
import { taskConsul } from '../../handlers/task-consul.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import type { TaskOutcome } from '../operations/types.js';
import { eventNames, plan } from '../run/plan.js';
import { shown } from '../run/names.js';
import type { StepSpec } from '../run/types.js';
import { parseData } from './data.js';
import { suggestion } from '../schedule/nearest.js';
import type { Invocation } from './types.js';

/** Runs an event's tasks on this node alone, without the queue: for a machine that is not in a cluster yet. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, config, io, flags } = invocation;
  const event = args[0] as string;
  const data = parseData(flags.data);
  const { schedules, problems } = await invocation.context().schedules();
  if (problems.length > 0) {
    const first = problems[0]?.place;
    throw new InputError(
      `a schedule file is broken (${first?.file}:${first?.line}): metronome validate names every problem`,
    );
  }
  const steps = plan(schedules, event, config.skippable);
  if (steps === undefined) {
    const names = eventNames(schedules);
    const near = suggestion(event, names);
    throw new InputError(
      `no schedule file defines event ${shown(event)}${near === undefined ? '' : `: did you mean "${near}"?`}`,
      names.length === 0 ? {} : { details: [`defined are: ${names.join(', ')}`] },
    );
  }
  refuseReboot(schedules, steps, event);
  const id = randomUUID();
  const failedAt = await runSection(invocation, schedules, steps, 'main', event, id, data);
  let status = failedAt;
  if (failedAt !== undefined && steps.some((step) => step.section === 'rescue')) {
    status = await runSection(invocation, schedules, steps, 'rescue', event, id, data);
  }
  const last = await runSection(invocation, schedules, steps, 'always', event, id, data);
  status ??= last;
  io.err(
    `metronome: event ${event}: ${status?.status ?? 'success'}${status?.reason ? `, ${status.reason}` : ''}`,
  );
  if (status === undefined) return EXIT.done;
  if (status.status === 'interrupted') return EXIT.interrupted;
  return status.status === 'timeout' ? EXIT.timeout : EXIT.failed;
}

/** A task that reboots goes on with the node's next execute, which knows nothing of what was run here. */
function refuseReboot(
  schedules: Awaited<ReturnType<ReturnType<Invocation['context']>['schedules']>>['schedules'],
  steps: readonly StepSpec[],
  event: string,
): void {
  for (const { pattern, task } of steps) {
    const schedule = schedules.find((one) => one.pattern === pattern);
    const reboot = schedule?.tasks[task]?.operations.find(({ kind }) => kind === 'reboot');
    if (reboot === undefined) continue;
    throw new InputError(
      `task ${task} reboots the machine (${reboot.place.file}:${reboot.place.line}), and nothing would go on with event ${shown(event)} after it`,
      { details: [`metronome fire ${event} puts it into the queue, where it goes on after the boot`] },
    );
  }
}

/** The first outcome that is a failure, or undefined. */
async function runSection(
  { config, io, signal, context }: Invocation,
  schedules: Awaited<ReturnType<ReturnType<Invocation['context']>['schedules']>>['schedules'],
  steps: readonly StepSpec[],
  section: StepSpec['section'],
  event: string,
  id: string,
  data: Readonly<Record<string, string>>,
): Promise<TaskOutcome | undefined> {
  const { runTask, TASK_TIMEOUT } = await import('../operations/run-task.js');
  const { createTaskLog } = await import('../operations/task-log.js');
  for (const step of steps.filter((one) => one.section === section)) {
    const schedule = schedules.find((one) => one.pattern === step.pattern);
    const task = schedule?.tasks[step.task];
    if (schedule === undefined || task === undefined)
      throw new InputError(`no task ${step.task} in pattern ${step.pattern}`);
    let printed = 0;
    const log = createTaskLog({
      now: () => new Date(),
      secrets: [config.token, config.eventKey].filter((secret) => secret !== undefined),
      onLine: (line: string) => {
        printed += 1;
        io.out(`${line}\n`);
      },
    });
    const parent = tmpdir();
    mkdirSync(parent, { recursive: true });
    const workDir = mkdtempSync(join(parent, 'metronome-run-'));
    const stop = new AbortController();
    const abort = () => stop.abort({ status: 'interrupted', reason: 'interrupted' });
    signal.addEventListener('abort', abort, { once: true });
    try {
      const outcome = await runTask(
        task,
        {
          identity: {
            eventId: id,
            event,
            step: step.no,
            task: step.task,
            node: config.node ?? hostname(),
            pattern: step.pattern,
            payload: '',
            data,
            attempt: 1,
          },
          schedule,
          config,
          consul: taskConsul(context()),
          log,
          signal: stop.signal,
          grace: step.grace,
          workDir,
          claim: `run-${id}`,
        },
        {
          timeout: step.timeout ?? task.timeout ?? schedule.defaults.timeout ?? TASK_TIMEOUT,
          ...(step.retries === undefined ? {} : { retries: step.retries }),
          ...(step.retryDelay === undefined ? {} : { retryDelay: step.retryDelay }),
          ...(step.retryBackoff === undefined ? {} : { retryBackoff: step.retryBackoff }),
          ...(step.successCodes === undefined ? {} : { successCodes: step.successCodes }),
        },
      );
      if (outcome.status !== 'success' && !step.ignoreErrors) return outcome;
    } finally {
      signal.removeEventListener('abort', abort);
      rmSync(workDir, { recursive: true, force: true });
    }
    void printed;
  }
  return undefined;
}
