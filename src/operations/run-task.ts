import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { duration } from '../run/time.js';
import type { Operation, TaskDefinition } from '../schedule/types.js';
import { configValuesOf, substitute, variablesOf } from '../schedule/variables.js';
import { withDeadline } from './deadline.js';
import { taskEnvironment } from './environment.js';
import { Guard } from './guard.js';
import { asFailure, type OperationContext, OperationFailure, shownPlace, Stopped } from './operation.js';
import { hasPendingReboot } from './reboot-record.js';
import { runOperation } from './run-operation.js';
import type { StopReason, TaskContext, TaskOutcome } from './types.js';

/** ms for tasks that nothing gives another timeout. */
export const TASK_TIMEOUT = 1_800_000;
/** ms between two attempts where `retry_delay` says nothing, and the most that `retry_backoff` makes of it. */
const RETRY_DELAY = 1000;
const LONGEST_DELAY = 86_400_000;

/** ms before the next attempt, after `failed` attempts. */
function delayAfter(failed: number, delay = RETRY_DELAY, backoff = 1): number {
  return Math.min(delay * backoff ** (failed - 1), Math.max(delay, LONGEST_DELAY));
}

export interface TaskOptions {
  /** ms; each attempt of the task has the whole of it, delays between attempts not counted. */
  readonly timeout: number;
  /** How often the whole task is tried again after an error or a timeout. */
  readonly retries?: number;
  readonly retryDelay?: number;
  readonly retryBackoff?: number;
  /** For operations that have none of their own. */
  readonly successCodes?: readonly number[];
}

/**
 * Runs a task's operations in order, until one fails. Never throws for what the task does: every fault is an outcome
 * with a reason of one line. The caller's signal ends everything at once, delays between attempts too; a
 * further attempt begins with the first operation, or where a reboot left off.
 */
export async function runTask(
  task: TaskDefinition,
  context: TaskContext,
  options: TaskOptions,
): Promise<TaskOutcome> {
  const { log, signal } = context;
  const start = performance.now();
  const guard = new Guard();
  const last = (options.retries ?? 0) + 1;
  let resumed: Resumed;
  let retried = 0;
  let outcome: TaskOutcome;
  try {
    mkdirSync(context.workDir, { recursive: true, mode: 0o700 });
    resumed = await resume(task, context);
    for (let attempt = 1; ; attempt += 1) {
      log.line(
        'INFO',
        `-- Task ${task.name} has started${attempt === 1 ? '' : ` (attempt ${attempt} of ${last})`}`,
      );
      outcome = await new Attempt(task, context, options, guard, attempt, resumed).run();
      retried += outcome.retried;
      if (attempt >= last || signal.aborted || (outcome.status !== 'error' && outcome.status !== 'timeout'))
        break;
      const delay = delayAfter(attempt, options.retryDelay, options.retryBackoff);
      log.line('WARN', `-- ${outcome.reason}: next attempt of the task in ${duration(delay)}`);
      await sleep(delay, undefined, { signal }).catch(() => {});
      if (signal.aborted) {
        outcome = { ...stopReason(signal), retried };
        break;
      }
      retried += 1;
    }
  } catch (error) {
    outcome = signal.aborted
      ? { ...stopReason(signal), retried }
      : { status: 'error', reason: `task ${task.name}: ${messageOf(error)}`, retried };
  } finally {
    guard.end();
  }
  const took = duration(performance.now() - start);
  if (outcome.rebootAt !== undefined) log.line('INFO', `-- Task ${task.name}: ${outcome.reason}`);
  else {
    if (outcome.reason !== undefined) log.line('ERROR', `-- ${outcome.reason}`);
    log.line('INFO', `-- Task ${task.name} has finished with ${outcome.status} in ${took}`);
  }
  return { ...outcome, retried };
}

interface Resumed {
  readonly at: number;
  readonly variables: Readonly<Record<string, string>>;
}

/** Where to begin: after a reboot not at the beginning. */
async function resume(task: TaskDefinition, context: TaskContext): Promise<Resumed> {
  if (!hasPendingReboot(context)) return { at: context.resumeAt ?? 0, variables: {} };
  const { afterReboot } = await import('./reboot.js');
  return afterReboot(task, context);
}

/** One time through the operations. */
class Attempt {
  readonly #taken: Record<string, string>;
  #retried = 0;

  constructor(
    readonly task: TaskDefinition,
    readonly context: TaskContext,
    readonly options: TaskOptions,
    readonly guard: Guard,
    readonly number: number,
    readonly resumed: Resumed,
  ) {
    this.#taken = { ...resumed.variables };
  }

  async run(): Promise<TaskOutcome> {
    const { timeout } = this.options;
    const reason = `task ${this.task.name} passed its timeout of ${duration(timeout)} and was ended`;
    return withDeadline(this.context.signal, timeout, { status: 'timeout', reason }, (signal) =>
      this.#operations(signal),
    );
  }

  async #operations(signal: AbortSignal): Promise<TaskOutcome> {
    const { log } = this.context;
    const stopping = () =>
      log.line('WARN', `-- Task ${this.task.name} is being ended: ${stopReason(signal).reason}`);
    signal.addEventListener('abort', stopping, { once: true });
    for (const [index, operation] of this.task.operations.entries()) {
      if (index < this.resumed.at) continue;
      if (signal.aborted) return { ...stopReason(signal), retried: this.#retried };
      const where = `${operation.kind} at ${shownPlace(operation.place)}`;
      log.line('INFO', `-- Operation ${operation.kind} (${shownPlace(operation.place)}) has started`);
      try {
        const result = await this.#repeat(operation, index, where, signal);
        if (result === undefined) continue;
        const next = result.rebootAt + 1;
        return {
          status: 'interrupted',
          reason: `${where} reboots the machine; the task goes on at its operation ${next} afterwards`,
          retried: this.#retried,
          rebootAt: result.rebootAt,
        };
      } catch (error) {
        return this.#failed(asFailure(error), where, signal);
      }
    }
    return { status: 'success', retried: this.#retried };
  }

  #failed(failure: OperationFailure | Stopped, where: string, signal: AbortSignal): TaskOutcome {
    const retried = this.#retried;
    if (signal.aborted) {
      const { status, reason } = stopReason(signal);
      const left = failure instanceof Stopped ? failure.left : [];
      const rest = left.length === 0 ? '' : `; processes ${left.join(', ')} could not be ended`;
      return { status, reason: `${reason}${rest}`, retried };
    }
    const exitCode = failure instanceof OperationFailure ? failure.exitCode : undefined;
    const reason = `${where} ${messageOf(failure)}`;
    return { status: 'error', reason, retried, ...(exitCode === undefined ? {} : { exitCode }) };
  }

  /** The operation, tried again as its own `retries` say. */
  async #repeat(operation: Operation, index: number, where: string, signal: AbortSignal) {
    const { retries = 0, retryDelay = RETRY_DELAY, retryBackoff = 1 } = operation;
    const once = () => runOperation(operation, this.#contextOf(operation, index, signal));
    if (retries === 0) return once();
    const { default: pRetry } = await import('p-retry');
    return pRetry(
      async () => {
        try {
          return await once();
        } catch (error) {
          // p-retry gives up on a TypeError, which is what fetch throws for everything.
          throw asFailure(error);
        }
      },
      {
        retries,
        minTimeout: retryDelay,
        factor: retryBackoff,
        maxTimeout: Math.max(retryDelay, LONGEST_DELAY),
        randomize: false,
        signal,
        shouldRetry: ({ error }) => error instanceof OperationFailure && !error.final && !signal.aborted,
        onFailedAttempt: ({ error, retriesLeft, retriesConsumed }) => {
          if (retriesLeft === 0 || signal.aborted) return;
          if (error instanceof OperationFailure && error.final) return;
          this.#retried += 1;
          const delay = duration(delayAfter(retriesConsumed + 1, retryDelay, retryBackoff));
          const next = `next try in ${delay} (${retriesConsumed + 2} of ${retries + 1})`;
          this.context.log.line('WARN', `-- ${where} ${messageOf(error)}: ${next}`);
        },
      },
    );
  }

  #contextOf(operation: Operation, index: number, signal: AbortSignal): OperationContext {
    const { context, guard } = this;
    const taken = this.#taken;
    const { values } = configValuesOf(context.config);
    const variables = variablesOf(context.schedule, context.config, taken);
    return {
      task: context,
      index,
      signal,
      // Anew for each operation: `environments` may refer to what consul-kvs read just before.
      environment: taskEnvironment(context, variables, values, context.identity.attempt + this.number - 1),
      successCodes: operation.successCodes ?? this.options.successCodes ?? [0],
      guard,
      text: (source) => substitute(source, variables, values),
      setVariable: (name, value) => {
        taken[name] = value;
      },
      taken,
    };
  }
}

/** What the signal was aborted with; anything else than a StopReason is an interruption. */
function stopReason(signal: AbortSignal): StopReason {
  const reason: unknown = signal.reason;
  if (typeof reason === 'object' && reason !== null && 'status' in reason && 'reason' in reason)
    return reason as StopReason;
  return { status: 'interrupted', reason: messageOf(reason ?? 'interrupted') };
}
