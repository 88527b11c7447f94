/** A task to run, with everything around it made up: a folder, a configuration, a log, a signal. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Config } from '../../src/config.js';
import { createTaskLog } from '../../src/operations/task-log.js';
import type { TaskConsul, TaskContext, TaskLog } from '../../src/operations/types.js';
import type { Operation, Schedule, TaskDefinition } from '../../src/schedule/types.js';

export interface Bench {
  /** The schedule file's folder. */
  readonly folder: string;
  readonly stateDir: string;
  readonly context: TaskContext;
  readonly log: TaskLog;
  readonly stop: AbortController;
  /** What was logged, without the time. */
  lines(): string[];
}

export interface BenchOptions {
  readonly config?: Partial<Config>;
  readonly schedule?: Partial<Schedule>;
  readonly identity?: Partial<TaskContext['identity']>;
  readonly consul?: TaskConsul | null;
  readonly grace?: number;
  readonly secrets?: readonly string[];
  readonly resumeAt?: number;
}

export function bench(t: Pick<ExecutionContext, 'teardown'>, options: BenchOptions = {}): Bench {
  const root = mkdtempSync(join(tmpdir(), 'metronome-operations-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, 'pattern');
  const stateDir = join(root, 'state');
  mkdirSync(folder);
  const stop = new AbortController();
  const log = createTaskLog({ now: () => new Date(), secrets: options.secrets ?? [] });
  const schedule: Schedule = {
    file: join(folder, 'task.yml'),
    folder,
    pattern: 'pattern',
    hash: '',
    variables: {},
    environments: {},
    defaults: { step: {}, operations: {} },
    events: {},
    tasks: {},
    schedules: [],
    ...options.schedule,
  };
  const config: Config = {
    host: '127.0.0.1',
    port: 8500,
    protocol: 'http',
    insecureSkipVerify: false,
    serviceManager: 'systemd',
    files: [],
    role: '',
    skippable: true,
    debug: false,
    prefix: 'metronome/',
    stateDir,
    logFormat: 'text',
    variables: {},
    ...options.config,
  };
  const context: TaskContext = {
    identity: {
      eventId: randomUUID(),
      event: 'configure',
      step: 2,
      task: 'configure',
      node: 'n1',
      pattern: 'pattern',
      payload: '',
      data: {},
      attempt: 1,
      ...options.identity,
    },
    schedule,
    config,
    consul: options.consul ?? null,
    log,
    signal: stop.signal,
    grace: options.grace ?? 5000,
    workDir: join(root, 'work'),
    claim: randomUUID(),
    ...(options.resumeAt === undefined ? {} : { resumeAt: options.resumeAt }),
  };
  const lines = () =>
    log
      .text()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.slice(line.indexOf(']') + 2));
  return { folder, stateDir, context, log, stop, lines };
}

type OperationKeys = Operation extends infer O
  ? O extends Operation
    ? Omit<O, 'place'> & { line?: number }
    : never
  : never;

/** A task with these operations, on lines 1, 2, … of its file unless they say another. */
export function task(...operations: OperationKeys[]): TaskDefinition {
  const place = (line: number) => ({ file: '/patterns/pattern/task.yml', line, column: 9 });
  return {
    name: 'configure',
    description: '',
    place: place(1),
    operations: operations.map(({ line, ...keys }, index) => ({ ...keys, place: place(line ?? index + 1) })),
  };
}

export function script(text: string, more: Partial<OperationKeys> = {}): OperationKeys {
  return { kind: 'execute', arguments: [], output: true, script: text, ...more } as OperationKeys;
}

export const TIMEOUT = { timeout: 60_000 };
