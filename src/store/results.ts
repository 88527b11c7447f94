/** The results: the original's keys and fields, and fields of ours. For people and other tools; nothing is decided from them. */
import type { Action, FinalStatus, Rerun, Run, Status, StepReport } from '../run/types.js';
import { messageOf } from '../errors.js';
import { type Client, isStatus, type Op } from './client.js';
import { decodeRecord } from './documents.js';

/** Value of `results/<id>`. Times are RFC 3339. */
export interface EventResult {
  readonly ID: string;
  readonly Name: string;
  readonly Status: Status;
  readonly StartedAt?: string;
  readonly FinishedAt?: string;
  readonly QueuedAt?: string;
  readonly Reason?: string;
  readonly Group?: string;
  readonly Steps?: number;
  /** The failure that rescue steps mended. */
  readonly Rescued?: string;
  readonly RerunOf?: string;
  readonly Actions?: readonly Action[];
}

/** Value of `results/<id>/<no>`. */
export interface StepResult {
  readonly EventID: string;
  readonly No: number;
  readonly Name: string;
  readonly Status: Status;
  readonly StartedAt?: string;
  readonly FinishedAt?: string;
  readonly Pattern?: string;
  readonly Service?: string;
  readonly Tag?: string;
  readonly Section?: string;
  readonly Reason?: string;
  readonly Ignored?: true;
  readonly Targets?: number;
}

/** Value of `results/<id>/<no>/<node>`. */
export interface NodeResult {
  readonly EventID: string;
  readonly No: number;
  readonly Node: string;
  readonly Status: Status;
  readonly StartedAt?: string;
  readonly FinishedAt?: string;
  readonly Attempt?: number;
  readonly Reason?: string;
  readonly ExitCode?: number;
  /** How often operations or the task were tried beyond the first time. */
  readonly Retried?: number;
}

/** Value of `results/<id>/given`: what the event brought with it, when it brought anything. */
export interface Given {
  readonly Payload: string;
  readonly Data: Readonly<Record<string, string>>;
  readonly Rerun?: Rerun;
}

/** What an event brought with it; nothing where that key is missing or cannot be read. */
export async function readGiven(client: Client, id: string): Promise<Given> {
  const given = await readResult<Partial<Given>>(client, client.keys.given(id));
  return {
    Payload: given?.Payload ?? '',
    Data: given?.Data ?? {},
    ...(given?.Rerun === undefined ? {} : { Rerun: given.Rerun }),
  };
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export function eventResult(
  run: Run,
  status: Status,
  more: { finishedAt?: number; reason?: string; actions?: readonly Action[] } = {},
): EventResult {
  const actions = more.actions ?? run.actions;
  return {
    ID: run.id,
    Name: run.event,
    Status: status,
    StartedAt: iso(run.startedAt.at),
    ...(more.finishedAt === undefined ? {} : { FinishedAt: iso(more.finishedAt) }),
    QueuedAt: iso(run.queuedAt.at),
    ...(more.reason === undefined ? {} : { Reason: more.reason }),
    Group: run.group,
    Steps: run.steps.length,
    ...(run.rescued === undefined ? {} : { Rescued: run.rescued.reason }),
    ...(run.rerun === undefined ? {} : { RerunOf: run.rerun.Of }),
    ...(actions === undefined || actions.length === 0 ? {} : { Actions: actions }),
  };
}

/** The result of a queued event that never became a run. */
export function unrunResult(
  id: string,
  name: string,
  queuedAt: number,
  at: number,
  status: FinalStatus,
  reason: string,
  actions?: readonly Action[],
): EventResult {
  return {
    ID: id,
    Name: name,
    Status: status,
    StartedAt: iso(at),
    FinishedAt: iso(at),
    QueuedAt: iso(queuedAt),
    Reason: reason,
    ...(actions === undefined || actions.length === 0 ? {} : { Actions: actions }),
  };
}

/** The step result that a report asks for; `step` is the step's state when it began or ended. */
export function stepResultOp(
  client: Client,
  run: Run,
  report: StepReport,
  step: Run['step'],
  now: number,
): Op {
  const spec = run.steps[report.no];
  const value: StepResult = {
    EventID: run.id,
    No: report.no,
    Name: spec?.task ?? '',
    Status: report.status,
    StartedAt: iso(step.since.at),
    ...(report.status === 'inprogress' ? {} : { FinishedAt: iso(now) }),
    Pattern: spec?.pattern ?? '',
    ...(spec?.service === undefined ? {} : { Service: spec.service }),
    ...(spec?.tag === undefined ? {} : { Tag: spec.tag }),
    ...(spec === undefined || spec.section === 'main' ? {} : { Section: spec.section }),
    ...(report.reason === undefined ? {} : { Reason: report.reason }),
    ...(report.ignored ? { Ignored: true } : {}),
    Targets: step.targets.length,
  };
  return { verb: 'set', key: client.keys.stepResult(run.id, report.no), value: JSON.stringify(value) };
}

export async function readEventResult(client: Client, id: string): Promise<EventResult | undefined> {
  return readResult<EventResult>(client, client.keys.result(id));
}

export async function readNodeResult(
  client: Client,
  id: string,
  no: number,
  node: string,
): Promise<NodeResult | undefined> {
  return readResult<NodeResult>(client, client.keys.nodeResult(id, no, node));
}

async function readResult<T>(client: Client, key: string): Promise<T | undefined> {
  const entry = await client.get(key);
  if (entry === undefined) return undefined;
  const decoded = decodeRecord(entry);
  return decoded.ok ? (decoded.value as unknown as T) : undefined;
}

/**
 * Writes a log as it is now, under the executor's session: a dead executor's late write is refused.
 * False when the session does not hold the key.
 */
export async function writeLog(
  client: Client,
  id: string,
  no: number,
  node: string,
  text: string,
  session: string,
): Promise<boolean> {
  try {
    return await client.put(client.keys.log(id, no, node), text, { acquire: session });
  } catch (error) {
    // Consul answers 500 for a session that is gone, as if it were itself in trouble.
    if (isStatus(error, 500) && /invalid session/i.test(messageOf(error))) return false;
    throw error;
  }
}
