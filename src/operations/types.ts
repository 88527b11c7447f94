import type { Config } from '../config.js';
import type { Schedule } from '../schedule/types.js';

/** What the environment of a task says about it (METRONOME_…); names and numbers only, never secrets. */
export interface TaskIdentity {
  readonly eventId: string;
  readonly event: string;
  readonly step: number;
  readonly task: string;
  readonly node: string;
  readonly pattern: string;
  /** '' when the payload was the token. Reaches the task as METRONOME_PAYLOAD only, never as text in a script. */
  readonly payload: string;
  /** Reaches the task as METRONOME_DATA_<KEY>. */
  readonly data: Readonly<Record<string, string>>;
  readonly attempt: number;
}

/** The part of Consul that operations may use; null where there is none (`metronome run`). */
export interface TaskConsul {
  get(key: string): Promise<string | null>;
  /** Every key below a prefix with its value, sorted by key; where it is absent, `get` of the one key must do. */
  list?(prefix: string): Promise<{ key: string; value: string }[]>;
  put(key: string, value: string): Promise<void>;
  delete(key: string): Promise<void>;
  fire(name: string, payload: string, filter: { service?: string; tag?: string }): Promise<string>;
  /** How many instances are passing, of how many. */
  passing(service: string, tag?: string): Promise<{ passing: number; all: number }>;
}

/** Why a running task must stop; what its result becomes. */
export interface StopReason {
  readonly status: 'timeout' | 'cancelled' | 'lost' | 'interrupted';
  readonly reason: string;
}

/** Everything that a task gets; what it needs beyond this it must not have. */
export interface TaskContext {
  readonly identity: TaskIdentity;
  readonly schedule: Schedule;
  readonly config: Config;
  readonly consul: TaskConsul | null;
  readonly log: TaskLog;
  /** Aborted with a StopReason as its reason. */
  readonly signal: AbortSignal;
  /** ms between TERM and KILL. */
  readonly grace: number;
  /** The folder for this task's raw output and temporary files (0700). */
  readonly workDir: string;
  /**
   * Marks every process of this task (environment METRONOME_CLAIM), so that leftovers of a killed
   * handler can be found and ended, whatever they did to their process group.
   */
  readonly claim: string;
  /** Where to go on after a reboot: operations before this index are done. */
  readonly resumeAt?: number;
  /**
   * Called before the machine is told to reboot, and waited for: the place to write to Consul that this
   * target will be away, and for how long (see `reboot.ts`).
   */
  beforeReboot?(pending: { readonly resumeAt: number; readonly timeout: number }): Promise<void>;
}

/** The log of one task: bounded in memory (head and tail), kept in order. */
export interface TaskLog {
  /** A line of metronome's own: `2026-11-23T11:32:39.248Z [INFO ] -- Task t_db has started`. */
  line(level: 'INFO' | 'WARN' | 'ERROR' | 'DEBUG', text: string): void;
  /** What a process printed, as it comes. */
  output(chunk: Buffer): void;
  /** The process is over: what it printed last without a newline is a line too. */
  endOutput(): void;
  /** The whole as it goes to results/…/log: at most 400 KiB, head and tail, saying how much was left out. */
  text(): string;
  /** Bytes of all lines so far, kept or left out: tells whether there is something new to publish. */
  readonly size: number;
}

export interface TaskOutcome {
  /** skip: a condition on variables left this node out. */
  readonly status: 'success' | 'error' | 'timeout' | 'cancelled' | 'lost' | 'interrupted' | 'skip';
  /** One line: the operation, its file:line and what went wrong; absent on success. */
  readonly reason?: string;
  readonly exitCode?: number;
  /** How often operations were tried beyond the first time. */
  readonly retried: number;
  /**
   * The machine was told to reboot and the task must go on at this operation afterwards. The status is
   * `interrupted` then, so that who does not know of reboots takes it for unfinished, never for done.
   */
  readonly rebootAt?: number;
}
