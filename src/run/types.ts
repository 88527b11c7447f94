/**
 * The documents that metronome keeps in the store, and what `advance` sees and decides.
 * Durations are milliseconds; instants are milliseconds since 1970 by somebody's clock, and since
 * no two clocks agree a `Stamp` says whose.
 */
import type { BatchSize, OnLost, TargetOrder, WaitFor, When } from '../schedule/types.js';

export interface Stamp {
  /** ms since 1970. */
  readonly at: number;
  /** The node whose clock said so. */
  readonly by: string;
}

/** An operator's deed, kept with the run it changed. */
export interface Action {
  readonly what: string;
  readonly user: string;
  readonly host: string;
  /** RFC 3339. */
  readonly at: string;
  readonly reason?: string;
}

/** Value of `event_queue/<id>`. Its place in the queue is the key's CreateIndex, then `Seq`. */
export interface QueuedEvent {
  readonly ID: string;
  readonly Name: string;
  /** '' when it was the token or a signature: secrets are not stored. */
  readonly Payload: string;
  readonly LTime: number;
  readonly Data: Readonly<Record<string, string>>;
  readonly Group: string;
  readonly Limit: number;
  /** A new event of this name ends those of the same name and group that run. */
  readonly CancelInProgress?: boolean;
  /** Order among events that came in with one transaction. */
  readonly Seq: number;
  readonly QueuedAt: Stamp;
  /** When a dispatcher first found it at the head and nobody could plan it. */
  readonly Unplanned?: Stamp;
  readonly Rerun?: Rerun;
  readonly Actions?: readonly Action[];
}

/** What a rerun takes from the run it repeats. */
export interface Rerun {
  readonly Of: string;
  /** First step to run. */
  readonly From: number;
  /** Step number -> nodes that are not run again because they succeeded. */
  readonly Done: Readonly<Record<string, readonly string[]>>;
  /** `pattern/task` of every step where the rerun was asked for: whoever admits it must have the same. */
  readonly Steps?: readonly string[];
  /** Step number -> how it ended in the run that is repeated, for conditions on steps that are not run again. */
  readonly Ended?: Readonly<Record<string, string>>;
}

/** One step with every default filled in: nothing about it is looked up again while the run goes on. */
export interface StepSpec {
  readonly no: number;
  readonly section: Section;
  readonly pattern: string;
  readonly task: string;
  readonly service?: string;
  readonly tag?: string;
  readonly skippable: boolean;
  readonly startTimeout: number;
  readonly stepTimeout: number;
  readonly lostGrace: number;
  readonly onLost: OnLost;
  readonly grace: number;
  /** Replaces the task's own. */
  readonly timeout?: number;
  readonly serial?: readonly BatchSize[];
  readonly order?: TargetOrder;
  readonly canary?: number;
  readonly approve?: true;
  readonly maxFailPercentage?: number;
  readonly anyErrorsFatal?: true;
  readonly ignoreErrors?: true;
  readonly ignoreUnreachable?: true;
  readonly runOnce?: true;
  readonly quorum?: BatchSize;
  readonly healthCheck?: { readonly minHealthyTime: number; readonly healthyDeadline: number };
  readonly waitFor?: readonly WaitFor[];
  readonly retries?: number;
  readonly retryDelay?: number;
  readonly retryBackoff?: number;
  readonly successCodes?: readonly number[];
  readonly when?: When;
}

/** Main steps first; `rescue` after a failure of theirs; `always` in any case. */
export type Section = 'main' | 'rescue' | 'always';

export type FinalStatus = 'success' | 'error' | 'timeout' | 'skip' | 'cancelled';
export type Status = 'inprogress' | FinalStatus;

/** What the dispatchers have noted of a target; each mark is dropped when it is no longer true. */
export interface Mark {
  /** Its Consul agent is down, or it left the catalog, since. */
  readonly down?: Stamp;
  /** Its claim is held by no session, since; the inbox key's index then. */
  readonly unheld?: Stamp & { readonly index: number };
  /** Its task succeeded and its checks have been passing since. */
  readonly healthy?: Stamp;
  /** Its task succeeded and its checks are watched since. */
  readonly watched?: Stamp;
  /** It was healthy for long enough; later changes do not matter. */
  readonly settled?: true;
}

export interface StepState {
  /** waiting: for targets or a gate. running: targets are released. stopping: no claim passes, held ones are being ended. */
  readonly phase: 'waiting' | 'running' | 'stopping';
  /** When this phase began; for stopping, see `stop`. */
  readonly since: Stamp;
  /** Targets released so far, in order; only ever grows. */
  readonly targets: readonly string[];
  /** How many of `targets` belong to each batch, in order. Their sum is the length of `targets`. */
  readonly batches: readonly number[];
  /** Nodes left out by `when`, with the reason. */
  readonly skipped?: Readonly<Record<string, string>>;
  readonly marks: Readonly<Record<string, Mark>>;
  readonly stop?: {
    readonly status: FinalStatus;
    readonly reason: string;
    readonly since: Stamp;
    /** When somebody first saw it stopping: `since` is older, if whoever wrote it slept in between. */
    readonly seen?: Stamp;
  };
  /** An operator let the step go on: `step_timeout` counts from here, not from `since`. */
  readonly resumed?: Stamp;
  /** Lost targets that an operator let run again: how often he did so, and how many attempts each of them has. */
  readonly holds?: { readonly approvals: number; readonly attempts: Readonly<Record<string, number>> };
  /** A gate that holds the phase, in words; what `status` shows. */
  readonly gate?: string;
}

export interface StepEnd {
  readonly no: number;
  readonly status: FinalStatus;
  readonly reason?: string;
  /** The failure does not count (`ignore_errors`). */
  readonly ignored?: true;
}

/** Value of `progress_task_queue/<id>/run`. */
export interface Run {
  readonly version: 1;
  readonly id: string;
  readonly event: string;
  readonly payload: string;
  readonly data: Readonly<Record<string, string>>;
  readonly group: string;
  readonly slot: number;
  readonly queuedAt: Stamp;
  readonly startedAt: Stamp;
  readonly steps: readonly StepSpec[];
  /** No of the current step. */
  readonly current: number;
  readonly step: StepState;
  /** Steps that ended, in the order they did. */
  readonly ended: readonly StepEnd[];
  /** The failure that decided the run's end, as long as nothing rescued it. */
  readonly failure?: { readonly status: FinalStatus; readonly reason: string; readonly no: number };
  /** The failure that `rescue` steps mended. */
  readonly rescued?: { readonly status: FinalStatus; readonly reason: string; readonly no: number };
  /** A cancel was obeyed; further ones end the `always` steps as well. */
  readonly cancelled?: { readonly no: number; readonly count: number };
  readonly rerun?: Rerun;
  readonly actions?: readonly Action[];
}

/** Value of `inbox/<node>/<id>/<no>`. Everything execute needs beside its own schedule files. */
export interface Assignment {
  readonly version: 1;
  readonly event: string;
  readonly pattern: string;
  readonly task: string;
  readonly attempt: number;
  /**
   * The run's index at which this target was released; absent when the assignment was written in one
   * transaction with the run, whose index then is the assignment's own CreateIndex.
   */
  readonly runIndex?: number;
  /** How many targets the step has, so that a finisher knows whether it has many fellows. */
  readonly of: number;
  /** A success means nothing to the run before the last target is done. */
  readonly lastCounts?: true;
  /** The run holds a payload or data: read it before the task starts. */
  readonly hasData?: true;
  readonly timeout?: number;
  readonly grace: number;
  readonly lostGrace: number;
  readonly retries?: number;
  readonly retryDelay?: number;
  readonly retryBackoff?: number;
  readonly successCodes?: readonly number[];
  readonly variables?: Readonly<Record<string, readonly string[]>>;
}

export type OutcomeStatus = 'inprogress' | 'success' | 'error' | 'timeout' | 'cancelled' | 'skip' | 'lost';

/** Value of `progress_task_queue/<id>/<no>/<node>`: tiny, because dispatch reads all of a step. */
export interface Outcome {
  readonly attempt: number;
  readonly session: string;
  readonly status: OutcomeStatus;
  readonly reason?: string;
  /** error: it never started, because the node could not be reached. */
  readonly unreachable?: true;
  /** inprogress: its machine was told to reboot and may be away for so long (ms). */
  readonly reboot?: number;
}

/** Value of `control/<id>`: an operator's word about a run. */
export interface Control {
  readonly cancel?: number;
  readonly pause?: boolean;
  /** Step -> how often it was approved; under `<no>/hold` how often its lost targets were let run again. */
  readonly approve?: Readonly<Record<string, number>>;
  readonly actions?: readonly Action[];
}

/** A node that has the step's service and tag, as the catalog says. */
export interface Candidate {
  readonly node: string;
  /** Its Consul agent is up. */
  readonly alive: boolean;
  /** All checks of the service on it pass (true where there are none). */
  readonly passing: boolean;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
}

/** What the inbox key of a target looks like now. */
export interface ClaimView {
  readonly index: number;
  readonly held: boolean;
}

export interface SeenOutcome extends Outcome {
  readonly index: number;
}

/** Everything that `advance` may look at beside the run. */
export interface Observed {
  readonly outcomes: ReadonlyMap<string, SeenOutcome>;
  /** Absent: the catalog was not asked. */
  readonly candidates?: readonly Candidate[];
  /** Inbox keys of targets without a final outcome; absent: not looked at. A node without an entry has no key. */
  readonly claims?: ReadonlyMap<string, ClaimView>;
  /** For each `wait_for` of the step, in order; absent: not asked. */
  readonly gates?: readonly { readonly passing: number; readonly all: number }[];
  readonly control?: Control;
}

export interface Limits {
  /** How far two nodes' clocks may differ. */
  readonly maxClockSkew: number;
}

/** An outcome that the dispatcher writes in a target's stead. */
export interface Settlement {
  readonly node: string;
  readonly status: Exclude<OutcomeStatus, 'inprogress'>;
  readonly reason: string;
  readonly unreachable?: true;
  readonly attempt: number;
  /** The index the outcome had; 0: there was none. */
  readonly outcomeIndex: number;
  /** The index the inbox key had; absent: there was none. */
  readonly inboxIndex?: number;
  /** Written although the claim is held: the executor had its time and did not obey. */
  readonly force?: true;
}

export interface Release {
  readonly node: string;
  readonly attempt: number;
  /** For a further attempt: the index of the outcome it follows. */
  readonly outcomeIndex?: number;
}

/** What a step's result becomes when the run is written. */
export interface StepReport {
  readonly no: number;
  readonly status: Status;
  readonly reason?: string;
  readonly ignored?: true;
}

export type Decision =
  /** Nothing to do now; `until` (ms, may be absent) is how long at the least. */
  | { readonly kind: 'wait'; readonly why: string; readonly until?: number }
  /** Write these outcomes; then look again. */
  | { readonly kind: 'settle'; readonly settlements: readonly Settlement[] }
  /** The run is as it should be, but these inbox keys are missing. */
  | { readonly kind: 'assign'; readonly releases: readonly Release[] }
  /** Write the run, report the steps, release the targets. */
  | {
      readonly kind: 'write';
      readonly run: Run;
      readonly reports: readonly StepReport[];
      readonly releases: readonly Release[];
    }
  /** The run is over. */
  | {
      readonly kind: 'end';
      readonly run: Run;
      readonly status: FinalStatus;
      readonly reason?: string;
      readonly reports: readonly StepReport[];
    };
