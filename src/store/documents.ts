/**
 * Reads the JSON that stands under our keys. Whoever may write there may write anything, and older or
 * newer versions of metronome do: a value that is not what it should be is reported, never trusted.
 */
import { nameFault } from '../run/names.js';
import type { Assignment, Control, Outcome, QueuedEvent, Run } from '../run/types.js';
import type { Entry } from './client.js';

/** A value under one of our keys that cannot be read. */
export interface Broken {
  readonly key: string;
  readonly problem: string;
}

export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly broken: Broken };

export function decodeRun(entry: Entry, id: string): Decoded<Run> {
  return decode<Run>(entry, (value) => {
    if (value.version !== 1) return `expected version 1, found ${JSON.stringify(value.version)}`;
    if (value.id !== id) return `expected id ${id}, found ${JSON.stringify(value.id)}`;
    const { steps, step, ended } = value;
    if (!Array.isArray(steps) || !steps.every(isStep)) return 'its steps are not a list of steps';
    if (!Number.isInteger(value.current) || (value.current as number) < 0)
      return 'its current step is not a number';
    if (!isRecord(step) || !['waiting', 'running', 'stopping'].includes(step.phase as string))
      return 'its step has no phase';
    if (
      !isStamp(step.since) ||
      !Array.isArray(step.targets) ||
      !Array.isArray(step.batches) ||
      !isRecord(step.marks) ||
      !Object.values(step.marks).every(isRecord)
    )
      return 'its step is incomplete';
    if (!step.targets.every((node) => nameFault(node) === undefined))
      return 'it has a target that is no node name';
    if (!Array.isArray(ended) || !isStamp(value.startedAt) || !isStamp(value.queuedAt))
      return 'it is incomplete';
    if (
      typeof value.group !== 'string' ||
      nameFault(value.group) !== undefined ||
      !Number.isInteger(value.slot)
    )
      return 'it holds no slot';
    if (typeof value.event !== 'string') return 'it has no event name';
    if (typeof value.payload !== 'string' || !isRecord(value.data)) return 'it has no payload or no data';
    return rerunFault(value.rerun);
  });
}

export function decodeQueued(entry: Entry, id: string): Decoded<QueuedEvent> {
  return decode<QueuedEvent>(entry, (value) => {
    if (value.ID !== id) return `expected ID ${id}, found ${JSON.stringify(value.ID)}`;
    const fault = nameFault(value.Name);
    if (fault !== undefined) return `its Name ${fault}`;
    if (typeof value.Payload !== 'string') return 'its Payload is not a string';
    if (!isRecord(value.Data) || !Object.values(value.Data).every((one) => typeof one === 'string'))
      return 'its Data is not a map of strings';
    const groupFault = nameFault(value.Group);
    if (groupFault !== undefined) return `its Group ${groupFault}`;
    if (!Number.isInteger(value.Limit) || (value.Limit as number) < 1)
      return 'its Limit is not a positive number';
    if (!isStamp(value.QueuedAt)) return 'its QueuedAt is no stamp';
    return rerunFault(value.Rerun);
  });
}

export function decodeOutcome(entry: Entry): Decoded<Outcome> {
  return decode<Outcome>(entry, (value) => {
    if (!Number.isInteger(value.attempt) || (value.attempt as number) < 1)
      return 'its attempt is not a positive number';
    if (
      !['inprogress', 'success', 'error', 'timeout', 'cancelled', 'skip', 'lost'].includes(
        value.status as string,
      )
    )
      return `its status is ${JSON.stringify(value.status)}`;
    if (value.reboot !== undefined && !(typeof value.reboot === 'number' && value.reboot >= 0))
      return 'its reboot is no duration';
    return undefined;
  });
}

export function decodeAssignment(entry: Entry): Decoded<Assignment> {
  return decode<Assignment>(entry, (value) => {
    if (value.version !== 1) return `expected version 1, found ${JSON.stringify(value.version)}`;
    for (const key of ['event', 'pattern', 'task'] as const) {
      const fault = nameFault(value[key]);
      if (fault !== undefined) return `its ${key} ${fault}`;
    }
    if (!Number.isInteger(value.attempt) || (value.attempt as number) < 1)
      return 'its attempt is not a positive number';
    if (typeof value.grace !== 'number' || typeof value.lostGrace !== 'number')
      return 'its grace times are missing';
    return undefined;
  });
}

export function decodeControl(entry: Entry): Decoded<Control> {
  return decode<Control>(entry, (value) => {
    if (value.cancel !== undefined && typeof value.cancel !== 'number') return 'its cancel is not a number';
    if (value.pause !== undefined && typeof value.pause !== 'boolean')
      return 'its pause is not true or false';
    if (value.approve !== undefined && !isRecord(value.approve)) return 'its approve is not a map';
    return undefined;
  });
}

/** Any JSON object; for what is only shown. */
export function decodeRecord(entry: Entry): Decoded<Record<string, unknown>> {
  return decode<Record<string, unknown>>(entry, () => undefined);
}

function decode<T>(entry: Entry, fault: (value: Record<string, unknown>) => string | undefined): Decoded<T> {
  let value: unknown;
  try {
    value = JSON.parse(entry.value);
  } catch {
    return { ok: false, broken: { key: entry.key, problem: 'is not JSON' } };
  }
  if (!isRecord(value)) return { ok: false, broken: { key: entry.key, problem: 'is not a JSON object' } };
  const problem = fault(value);
  if (problem !== undefined) return { ok: false, broken: { key: entry.key, problem } };
  return { ok: true, value: value as T };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What `advance` uses of every step without asking whether it is there. */
function isStep(step: unknown, no: number): boolean {
  return (
    isRecord(step) &&
    step.no === no &&
    nameFault(step.task) === undefined &&
    nameFault(step.pattern) === undefined &&
    ['main', 'rescue', 'always'].includes(step.section as string) &&
    [step.startTimeout, step.stepTimeout, step.lostGrace, step.grace].every((ms) => typeof ms === 'number')
  );
}

function rerunFault(rerun: unknown): string | undefined {
  if (rerun === undefined) return undefined;
  const sound =
    isRecord(rerun) &&
    typeof rerun.Of === 'string' &&
    Number.isInteger(rerun.From) &&
    isRecord(rerun.Done) &&
    Object.values(rerun.Done).every((nodes) => Array.isArray(nodes));
  return sound ? undefined : 'what it repeats is not told';
}

function isStamp(value: unknown): boolean {
  return isRecord(value) && typeof value.at === 'number' && typeof value.by === 'string';
}
