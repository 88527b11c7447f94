import { constants } from 'node:os';
import { basename } from 'node:path';
import { messageOf } from '../errors.js';
import type { Place } from '../schedule/types.js';
import { abortable } from './deadline.js';
import type { Guard } from './guard.js';
import { type ProcessEnd, runProcess } from './process.js';
import type { TaskConsul, TaskContext } from './types.js';

/** What an operation gets while it runs. */
export interface OperationContext {
  readonly task: TaskContext;
  /** Where it stands among the task's operations. */
  readonly index: number;
  /** Aborted with a StopReason: by the caller, or when this attempt of the task passes its timeout. */
  readonly signal: AbortSignal;
  /** Of everything that it starts. */
  readonly environment: Readonly<Record<string, string>>;
  readonly successCodes: readonly number[];
  readonly guard?: Guard;
  /** `{{…}}` replaced by variables and configuration values. */
  text(source: string): string;
  /** What consul-kvs read, for the operations that follow in the task. */
  setVariable(name: string, value: string): void;
  /** The variables set so far. */
  readonly taken: Readonly<Record<string, string>>;
}

/** `reboot`: the task goes on at this operation when the machine is back; nothing else says anything. */
export type OperationResult = undefined | { readonly rebootAt: number };

/** Of one kind of operation, in the file of its name. */
export type Perform<O> = (operation: O, context: OperationContext) => Promise<OperationResult>;

/**
 * An operation failed, and is tried again if it has `retries`. The message goes on after
 * `execute at task.yml:31 `: it begins with a verb.
 */
export class OperationFailure extends Error {
  override readonly name = 'OperationFailure';
  readonly exitCode: number | undefined;
  /** Trying again cannot help: the file itself is wrong. */
  readonly final: boolean;
  constructor(message: string, options: { exitCode?: number; final?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode;
    this.final = options.final ?? false;
  }
}

/** The operation was ended by its signal; `left` are processes that not even KILL ended. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  constructor(readonly left: readonly number[] = []) {
    super('was ended');
  }
}

export interface Program {
  readonly program: string;
  readonly arguments?: readonly string[];
  readonly input?: string;
  /** false: what it prints is not logged. Default true. */
  readonly output?: boolean;
  /** Beside the task's own environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a program in the schedule file's folder; a failure unless its exit code counts as success. */
export async function runProgram(
  program: Program,
  context: OperationContext,
  successCodes = context.successCodes,
): Promise<void> {
  const { task } = context;
  const end = await runProcess(
    {
      program: program.program,
      arguments: program.arguments ?? [],
      cwd: task.schedule.folder,
      environment: { ...context.environment, ...program.environment },
      output: program.output ?? true,
      ...(program.input === undefined ? {} : { input: program.input }),
    },
    {
      log: task.log,
      signal: context.signal,
      grace: task.grace,
      workDir: task.workDir,
      stateDir: task.config.stateDir,
      claim: task.claim,
      ...(context.guard === undefined ? {} : { guard: context.guard }),
    },
  );
  judge(end, successCodes);
}

function judge(end: ProcessEnd, successCodes: readonly number[]): void {
  switch (end.kind) {
    case 'exited':
      if (!successCodes.includes(end.code))
        throw new OperationFailure(`exited with ${end.code}`, { exitCode: end.code });
      return;
    case 'killed': {
      // As a shell counts: other tools know this number.
      const code = 128 + (SIGNALS[end.by] ?? 0);
      if (!successCodes.includes(code))
        throw new OperationFailure(`was killed by ${end.by}`, { exitCode: code });
      return;
    }
    case 'not-started':
      throw new OperationFailure(`could not be started: ${end.why}`);
    case 'stopped':
      throw new Stopped(end.left);
  }
}

const SIGNALS: Readonly<Partial<Record<NodeJS.Signals, number>>> = constants.signals;

/** Asks Consul, or says why it cannot; a Consul that does not answer does not hold up the end of the task. */
export async function askConsul<T>(
  { task, signal }: Pick<OperationContext, 'task' | 'signal'>,
  question: (consul: TaskConsul) => Promise<T>,
): Promise<T> {
  if (task.consul === null)
    throw new OperationFailure('needs Consul, and this task runs without it', { final: true });
  return abortable(signal, question(task.consul), () => new Stopped());
}

/** Refuses what would be taken for an option, or could not be passed at all. */
export function checkArgument(what: string, text: string): string {
  let fault: string | undefined;
  if (text === '') fault = 'is empty';
  else if (text.startsWith('-')) fault = 'begins with "-" and would be taken for an option';
  else if (/[\u0000-\u001f\u007f]/.test(text)) fault = 'has control characters';
  if (fault === undefined) return text;
  throw new OperationFailure(`was not run: its ${what} ${JSON.stringify(text)} ${fault}`, { final: true });
}

/** `task.yml:31` */
export function shownPlace(place: Place): string {
  return `${basename(place.file)}:${place.line}`;
}

/** Anything thrown, as the failure of an operation. */
export function asFailure(error: unknown): OperationFailure | Stopped {
  if (error instanceof OperationFailure || error instanceof Stopped) return error;
  return new OperationFailure(`failed: ${messageOf(error)}`, { cause: error });
}
