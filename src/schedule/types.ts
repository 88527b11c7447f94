/**
 * What a schedule file means once it is read: plain data, no behaviour.
 * All durations are milliseconds. A field that the file leaves out is absent, unless its
 * comment names a default; defaults that depend on the step, the file or the
 * configuration are filled in by `src/run/plan.ts`.
 */

/** Where something stands in a file; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Schedule {
  /** The path as it was given. */
  readonly file: string;
  /** The folder the file lies in, absolute: tasks run there. */
  readonly folder: string;
  /** The name of that folder: the pattern. */
  readonly pattern: string;
  /** sha256 (hex) of the file's bytes; nodes publish it so that differences show. */
  readonly hash: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly environments: Readonly<Record<string, string>>;
  readonly defaults: ScheduleDefaults;
  readonly events: Readonly<Record<string, EventDefinition>>;
  readonly tasks: Readonly<Record<string, TaskDefinition>>;
  readonly schedules: readonly CronEntry[];
}

export interface ScheduleDefaults {
  /** `default.timeout`, ms: for tasks without one. */
  readonly timeout?: number;
  /** `default.step`: options for every step that does not set them itself. */
  readonly step: StepOptions;
  /** `default.<operation>`: keys for each operation of that name. */
  readonly operations: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface EventDefinition {
  readonly name: string;
  readonly description: string;
  /** Low first; 50 when absent. */
  readonly priority: number;
  /** From `ordered_tasks`, or one step for `task` (which wins when both stand). */
  readonly steps: readonly StepDefinition[];
  /** Steps that run after a failure. */
  readonly rescue: readonly StepDefinition[];
  /** Steps that run in any case, last. */
  readonly always: readonly StepDefinition[];
  readonly concurrency?: Concurrency;
  readonly bufferPeriod?: BufferPeriod;
  readonly window?: WindowDefinition;
  readonly place: Place;
}

/** Events of one group run one at a time (or `limit` at a time), of different groups side by side. */
export interface Concurrency {
  readonly group: string;
  /** A new event of the same name and group cancels those before it. Default false. */
  readonly cancelInProgress: boolean;
  /** How many run at once within the group. Default 1. */
  readonly limit: number;
}

/** `buffer_period: MIN/MAX`, ms: events of one name become one run when none came for `min`, at the latest after `max`. */
export interface BufferPeriod {
  readonly min: number;
  readonly max: number;
}

/** When an event may start. Days 0 (Sunday) to 6; minutes since midnight; end <= start means over midnight. */
export interface WindowDefinition {
  readonly days: readonly number[];
  readonly start: number;
  readonly end: number;
  /** IANA name; the default is UTC, because nodes may stand in different zones. */
  readonly timeZone: string;
}

/** A batch size: a number of targets, or a percentage of all of them (rounded down, at least 1, as Ansible does). */
export type BatchSize = { readonly count: number } | { readonly percent: number };

export type OnLost = 'fail' | 'retry' | 'hold';
export type TargetOrder = 'sorted' | 'reverse_sorted' | 'shuffle';

/** What may stand on a step and under `default.step`. */
export interface StepOptions {
  readonly skippable?: boolean;
  readonly startTimeout?: number;
  readonly stepTimeout?: number;
  /** Replaces the task's own timeout for this step. */
  readonly timeout?: number;
  readonly lostGrace?: number;
  readonly onLost?: OnLost;
  /** Between TERM and KILL. */
  readonly grace?: number;
  readonly serial?: readonly BatchSize[];
  readonly order?: TargetOrder;
  /** So many targets first; `approve` or `min_healthy_time` then decides. */
  readonly canary?: number;
  readonly approve?: boolean;
  readonly maxFailPercentage?: number;
  readonly anyErrorsFatal?: boolean;
  readonly ignoreErrors?: boolean;
  readonly ignoreUnreachable?: boolean;
  readonly runOnce?: boolean;
  readonly quorum?: BatchSize;
  readonly healthCheck?: boolean;
  readonly minHealthyTime?: number;
  readonly healthyDeadline?: number;
  readonly waitFor?: readonly WaitFor[];
  readonly retries?: number;
  readonly retryDelay?: number;
  /** Factor between one delay and the next; 1 when absent (constant delay). */
  readonly retryBackoff?: number;
  readonly successCodes?: readonly number[];
  readonly when?: When;
}

export interface StepDefinition extends StepOptions {
  readonly service?: string;
  readonly tag?: string;
  readonly task: string;
  readonly place: Place;
}

/** A gate: the step starts when so many instances of the service are passing. */
export interface WaitFor {
  readonly service: string;
  readonly tag?: string;
  readonly passing: number | 'all';
}

/**
 * Plain equality maps, all of which must hold; a list of values means any of them.
 * `variables` is judged on the target by its own variables, the others by the dispatcher.
 */
export interface When {
  readonly variables?: Readonly<Record<string, readonly string[]>>;
  /** Every one of these tags must be among the node's tags of the step's service. */
  readonly tags?: readonly string[];
  /** Consul node meta. */
  readonly meta?: Readonly<Record<string, readonly string[]>>;
  /** Task name of an earlier step of this run -> its status must be one of these. */
  readonly steps?: Readonly<Record<string, readonly string[]>>;
}

export interface TaskDefinition {
  readonly name: string;
  readonly description: string;
  /** ms */
  readonly timeout?: number;
  readonly operations: readonly Operation[];
  readonly place: Place;
}

/** What may stand on any operation, beside its own keys. */
export interface OperationOptions {
  readonly retries?: number;
  readonly retryDelay?: number;
  readonly retryBackoff?: number;
  readonly successCodes?: readonly number[];
  readonly place: Place;
}

export type Operation =
  | ExecuteOperation
  | ServiceOperation
  | ConsulKvsOperation
  | ConsulEventOperation
  | EchoOperation
  | ChefOperation
  | RebootOperation
  | WaitForOperation
  | HttpOperation;

export interface ExecuteOperation extends OperationOptions {
  readonly kind: 'execute';
  readonly file?: string;
  readonly arguments: readonly string[];
  readonly script?: string;
  /** true: what it prints is logged. */
  readonly output: boolean;
}
export interface ServiceOperation extends OperationOptions {
  readonly kind: 'service';
  readonly name: string;
  readonly action: string;
}
export interface ConsulKvsOperation extends OperationOptions {
  readonly kind: 'consul-kvs';
  readonly action: 'get' | 'put' | 'delete';
  readonly key: string;
  readonly value?: string;
  /** get: the variable that takes the value. */
  readonly name?: string;
}
export interface ConsulEventOperation extends OperationOptions {
  readonly kind: 'consul-event';
  readonly name: string;
  readonly filter: { readonly service?: string; readonly tag?: string };
}
export interface EchoOperation extends OperationOptions {
  readonly kind: 'echo';
  readonly message: string;
}
export interface ChefOperation extends OperationOptions {
  readonly kind: 'chef';
  readonly runList: readonly string[];
  readonly configurations: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly attributeKeys: readonly string[];
}
export interface RebootOperation extends OperationOptions {
  readonly kind: 'reboot';
  /** A shell command; the service manager's own reboot when absent. */
  readonly command?: string;
  /** ms until the machine must be back; 10 m when absent. */
  readonly timeout?: number;
}
export interface WaitForOperation extends OperationOptions {
  readonly kind: 'wait-for';
  readonly target:
    | { readonly tcp: { readonly host: string; readonly port: number } }
    | { readonly http: { readonly url: string; readonly status: readonly number[] } }
    | {
        readonly service: { readonly name: string; readonly tag?: string; readonly passing: number | 'all' };
      };
  /** ms, 5 m when absent. */
  readonly timeout?: number;
  /** ms between two looks, 1 s when absent. */
  readonly interval?: number;
}
export interface HttpOperation extends OperationOptions {
  readonly kind: 'http';
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Expected status codes; any 2xx when empty. */
  readonly status: readonly number[];
  readonly timeout?: number;
}

/** The fields of an expression, as node-cron's `parse` gives them. */
export interface CronFields {
  readonly second: readonly number[];
  readonly minute: readonly number[];
  readonly hour: readonly number[];
  /** Numbers, `L`, `L-3`, `15W`, `LW`. */
  readonly dayOfMonth: readonly (number | string)[];
  readonly month: readonly number[];
  /** Numbers 0 to 6, `5L`, `1#2`. */
  readonly dayOfWeek: readonly (number | string)[];
}

export interface CronEntry {
  /** Pattern and a short hash of the entry: the last part of `schedules/<name>`. */
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly event: string;
  readonly data: Readonly<Record<string, string>>;
  /** What becomes of a due time that all nodes missed: fired once, or left out. */
  readonly catchUp: 'once' | 'skip';
  /** ms; each due time is delayed by a part of it that is the same on every node. */
  readonly jitter: number;
  readonly place: Place;
}

/** One thing wrong (or without effect) in a file. */
export interface Problem {
  readonly place: Place;
  readonly severity: 'error' | 'warning';
  /** The path of the key, e.g. `events.configure.ordered_tasks[1].service`; '' for the file as a whole. */
  readonly path: string;
  /** What was found and what was expected, one line. */
  readonly message: string;
  /** What to do, e.g. `did you mean "ordered_tasks"?` */
  readonly hint?: string;
}

export type ParseResult = { readonly schedule?: Schedule; readonly problems: readonly Problem[] };
