/**
 * One event as operators see it, from the queue, the run or the results, whichever knows it. The fields are those of the
 * results on Consul, and this is what `--json` prints (deploy/JSON.md).
 */
import type { Context } from '../../handlers/context.js';
import { describeQueued, describeRun, type Since } from '../run/describe.js';
import { startRules } from '../run/plan.js';
import type { Action, Run, Section, Status } from '../run/types.js';
import { type EventResults, readEventIds, readEventResults, readResults } from '../store/history.js';
import { type Queued, readQueue } from '../store/queue.js';
import { type EventResult, iso, type NodeResult } from '../store/results.js';
import { type RunView, type Snapshot, snapshot } from '../store/runs.js';
import { msOf } from './times.js';

export interface NodeView {
  readonly Node: string;
  /** `waiting`: released, and its task has not begun. */
  readonly Status: Status | 'waiting';
  readonly StartedAt?: string;
  readonly FinishedAt?: string;
  readonly Attempt?: number;
  readonly Reason?: string;
  readonly ExitCode?: number;
  readonly Retried?: number;
}

export interface StepView {
  readonly No: number;
  /** The task's. */
  readonly Name: string;
  /** `waiting`: has not begun. */
  readonly Status: Status | 'waiting';
  readonly Section: Section;
  readonly Pattern?: string;
  readonly Service?: string;
  readonly Tag?: string;
  readonly StartedAt?: string;
  readonly FinishedAt?: string;
  readonly Reason?: string;
  readonly Ignored?: true;
  readonly Nodes: readonly NodeView[];
}

export interface EventView {
  readonly ID: string;
  readonly Name: string;
  readonly Status: Status | 'queued';
  /** Why it ended so. */
  readonly Reason?: string;
  /** What it waits for now. */
  readonly Waiting?: string;
  readonly Paused?: true;
  readonly Group?: string;
  /** Place in the queue of its group, from 1. */
  readonly Place?: number;
  readonly QueuedAt?: string;
  readonly StartedAt?: string;
  readonly FinishedAt?: string;
  /** How many steps there are in all; absent when nobody has planned it. */
  readonly Steps?: number;
  readonly RerunOf?: string;
  readonly Rescued?: string;
  readonly Actions: readonly Action[];
}

export interface DetailedEvent extends EventView {
  readonly StepResults: readonly StepView[];
}

/** Everything that is not finished, and what the finished ones need beside it. */
export interface Present {
  readonly seen: Snapshot;
  readonly queue: readonly Queued[];
}

export async function readPresent(context: Context): Promise<Present> {
  const { client } = context;
  const [seen, { queue }] = await Promise.all([snapshot(client), readQueue(client)]);
  return { seen, queue };
}

/** One event with its steps and nodes; undefined: nothing of that id is known. */
export async function readEvent(context: Context, id: string): Promise<DetailedEvent | undefined> {
  // The results last: an event that ends or starts in between is seen in its later state, never in none.
  const present = await readPresent(context);
  const results = await readResults(context.client, id);
  const view = present.seen.runs.find((one) => one.run.id === id);
  if (results.event !== undefined && results.event.Status !== 'inprogress')
    return finishedView(results, results.event);
  if (view !== undefined) return runningView(view, results, context.now());
  const queued = present.queue.find((one) => one.event.ID === id);
  if (queued !== undefined) return { ...(await queuedView(context, present, queued)), StepResults: [] };
  return results.event === undefined ? undefined : finishedView(results, results.event);
}

export interface Overview {
  readonly running: readonly DetailedEvent[];
  readonly queued: readonly EventView[];
  /** Last started first. */
  readonly finished: readonly EventView[];
}

/** What has ended stays as it is: a view that is drawn again and again reads it once. */
export type Known = Map<string, EventView>;

/** Everything: runs with their nodes, the queue in order, and what has ended. */
export async function readOverview(context: Context, known?: Known): Promise<Overview> {
  const { client } = context;
  const present = await readPresent(context);
  const ids = new Set(present.seen.runs.map((view) => view.run.id));
  const [running, queued, finished] = await Promise.all([
    Promise.all(
      present.seen.runs.map(async (view) =>
        runningView(view, await readResults(client, view.run.id), context.now()),
      ),
    ),
    Promise.all(present.queue.map((one) => queuedView(context, present, one))),
    readFinished(context, known),
  ]);
  return { running, queued, finished: finished.filter((event) => !ids.has(event.ID)) };
}

/** All events that have ended, last started first. */
export async function readFinished(context: Context, known: Known = new Map()): Promise<EventView[]> {
  const { client } = context;
  const ids = await readEventIds(client);
  const fresh = ids.filter((id) => !known.has(id));
  for (const result of await readEventResults(client, fresh))
    if (result.Status !== 'inprogress') known.set(result.ID, eventOf(result));
  return ids
    .flatMap((id) => known.get(id) ?? [])
    .sort((a, b) => ((a.StartedAt ?? '') < (b.StartedAt ?? '') ? 1 : -1));
}

/** The queued event with why it waits. Without schedule files here that define it nobody can say when its window opens. */
export async function queuedView(context: Context, present: Present, queued: Queued): Promise<EventView> {
  const { event } = queued;
  const group = present.queue.map((one) => one.event).filter((one) => one.Group === event.Group);
  const running = present.seen.runs.map((view) => view.run).filter((run) => run.group === event.Group);
  const { schedules } = context.config.files.length === 0 ? { schedules: [] } : await context.schedules();
  const rules = startRules(schedules, event.Name);
  return {
    ID: event.ID,
    Name: event.Name,
    Status: 'queued',
    Waiting: describeQueued(event, group, running, rules.planned ? rules : undefined, context.now()),
    Group: event.Group,
    Place: group.findIndex((one) => one.ID === event.ID) + 1,
    QueuedAt: iso(event.QueuedAt.at),
    ...(event.Rerun === undefined ? {} : { RerunOf: event.Rerun.Of }),
    Actions: event.Actions ?? [],
  };
}

function runningView(view: RunView, results: EventResults, now: number): DetailedEvent {
  const { run, control, outcomes } = view;
  const since = new Map<string, Since>();
  for (const node of results.nodes) {
    const startedAt = msOf(node.StartedAt);
    if (node.No === run.current && startedAt !== undefined) since.set(node.Node, { startedAt });
  }
  const seen = { outcomes, ...(control === undefined ? {} : { control }) };
  return {
    ID: run.id,
    Name: run.event,
    Status: 'inprogress',
    Waiting: describeRun(run, seen, since, now),
    ...(control?.pause === true ? { Paused: true } : {}),
    Group: run.group,
    QueuedAt: iso(run.queuedAt.at),
    StartedAt: iso(run.startedAt.at),
    Steps: run.steps.length,
    ...(run.rerun === undefined ? {} : { RerunOf: run.rerun.Of }),
    ...(run.rescued === undefined ? {} : { Rescued: run.rescued.reason }),
    Actions: [...(run.actions ?? []), ...(control?.actions ?? [])],
    StepResults: run.steps.map((spec) => runningStep(run, spec.no, results)),
  };
}

function runningStep(run: Run, no: number, results: EventResults): StepView {
  const spec = run.steps[no] as Run['steps'][number];
  const end = run.ended.find((one) => one.no === no);
  const result = results.steps.find((one) => one.No === no);
  const begun = no === run.current && run.step.phase !== 'waiting';
  const nodes = results.nodes.filter((one) => one.No === no).map(nodeOf);
  const known = new Set(nodes.map((one) => one.Node));
  const waiting = begun
    ? run.step.targets
        .filter((node) => !known.has(node))
        .map((node): NodeView => ({ Node: node, Status: 'waiting' }))
    : [];
  return {
    No: no,
    Name: spec.task,
    Status: end?.status ?? (begun ? 'inprogress' : 'waiting'),
    Section: spec.section,
    Pattern: spec.pattern,
    ...(spec.service === undefined ? {} : { Service: spec.service }),
    ...(spec.tag === undefined ? {} : { Tag: spec.tag }),
    ...(result?.StartedAt === undefined ? {} : { StartedAt: result.StartedAt }),
    ...(result?.FinishedAt === undefined || end === undefined ? {} : { FinishedAt: result.FinishedAt }),
    ...(end?.reason === undefined ? {} : { Reason: end.reason }),
    ...(end?.ignored ? { Ignored: true } : {}),
    Nodes: [...nodes, ...waiting],
  };
}

function finishedView(results: EventResults, event: EventResult): DetailedEvent {
  return {
    ...eventOf(event),
    StepResults: results.steps.map((step): StepView => {
      const { EventID: _, Targets: _targets, Section: section, ...rest } = step;
      return {
        ...rest,
        Section: (section ?? 'main') as Section,
        Nodes: results.nodes.filter((node) => node.No === step.No).map(nodeOf),
      };
    }),
  };
}

function eventOf(result: EventResult): EventView {
  return { ...result, Actions: result.Actions ?? [] };
}

function nodeOf({ EventID: _, No: _no, ...rest }: NodeResult): NodeView {
  return rest;
}
