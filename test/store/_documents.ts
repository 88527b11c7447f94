/** Documents as they stand in the store. */
import type { QueuedEvent, Run, Stamp, StepSpec, StepState } from '../../src/run/types.js';

export const STAMP: Stamp = { at: Date.UTC(2024, 0, 2, 3, 4, 5), by: 'n1' };
export const STARTED = '2024-01-02T03:04:05.000Z';
/** The clock of those who write later. */
export const NOW = Date.UTC(2024, 0, 2, 3, 5, 0);
export const LATER = '2024-01-02T03:05:00.000Z';

export function queuedEvent(id: string, more: Partial<QueuedEvent> = {}): QueuedEvent {
  return {
    ID: id,
    Name: 'configure',
    Payload: '',
    LTime: 7,
    Data: {},
    Group: 'default',
    Limit: 1,
    Seq: 0,
    QueuedAt: STAMP,
    ...more,
  };
}

export function stepSpec(no: number, more: Partial<StepSpec> = {}): StepSpec {
  return {
    no,
    section: 'main',
    pattern: 'web',
    task: `task${no}`,
    service: 'db',
    skippable: true,
    startTimeout: 120_000,
    stepTimeout: 3_600_000,
    lostGrace: 60_000,
    onLost: 'fail',
    grace: 10_000,
    ...more,
  };
}

export function stepState(more: Partial<StepState> = {}): StepState {
  return { phase: 'waiting', since: STAMP, targets: [], batches: [], marks: {}, ...more };
}

/** A run whose first step runs on these targets. */
export function runOf(id: string, targets: readonly string[] = [], more: Partial<Run> = {}): Run {
  return {
    version: 1,
    id,
    event: 'configure',
    payload: '',
    data: {},
    group: 'default',
    slot: 0,
    queuedAt: STAMP,
    startedAt: STAMP,
    steps: [stepSpec(0), stepSpec(1)],
    current: 0,
    step: stepState(targets.length === 0 ? {} : { phase: 'running', targets, batches: [targets.length] }),
    ended: [],
    ...more,
  };
}

/** What the assignment of a run's first step says. */
export function assignmentOf(run: Run, runIndex?: number, attempt = 1) {
  return {
    version: 1,
    event: run.event,
    pattern: 'web',
    task: 'task0',
    attempt,
    ...(runIndex === undefined ? {} : { runIndex }),
    of: run.step.targets.length,
    lastCounts: true as const,
    grace: 10_000,
    lostGrace: 60_000,
  };
}
