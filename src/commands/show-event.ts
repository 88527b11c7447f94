/** One event for people: a head, a table of its steps, and its nodes by status, failures by name. */
import { duration } from '../run/time.js';
import { type Cell, below, table, wrap } from './columns.js';
import type { DetailedEvent, EventView, NodeView, StepView } from './event-view.js';
import { clean, paint, statusWord, type Tone, toneOf } from './paint.js';
import { type Clock, clockText, msOf, timeText, zoneText } from './times.js';

export interface ShowStyle {
  readonly columns: number;
  readonly colour: boolean;
  readonly clock: Clock;
  /** Every node on a line of its own. */
  readonly nodes: boolean;
}

/** Up to so many nodes of a step each have their line. */
const NARROW = 6;
/** So many failures of a step are told one by one. */
const MOST_FAILURES = 10;

export function showEvent(event: DetailedEvent, style: ShowStyle): string[] {
  const { colour, clock } = style;
  const status = paint(statusWord(event.Status), toneOf(event.Status), colour);
  const lines = [
    `${paint(clean(event.Name), 'bold', colour)} ${event.ID}: ${status}${tookText(event, clock)}`,
  ];
  const more = (text: string | undefined, tone: Tone = 'plain') => {
    if (text !== undefined) lines.push(...below({ text, tone }, style, 2));
  };
  more(event.Reason, event.Status === 'success' ? 'plain' : toneOf(event.Status));
  more(event.Waiting, 'busy');
  if (/waiting for approval|waiting for an operator|approve runs it again/.test(event.Waiting ?? ''))
    more(`metronome approve ${event.ID} lets it go on`, 'warn');
  if (event.Paused === true) more(`paused: metronome resume ${event.ID} goes on`, 'warn');
  more(timesText(event, clock), 'dim');
  if (event.RerunOf !== undefined) more(`a rerun of ${event.RerunOf}`, 'dim');
  for (const action of event.Actions)
    more(
      `${action.what} by ${action.user} on ${action.host}, ${timeText(action.at, clock)}${action.reason === undefined ? '' : `: ${action.reason}`}`,
      'dim',
    );
  if (event.StepResults.length === 0) return lines;
  lines.push('', ...showSteps(event, style));
  return lines;
}

function showSteps(event: DetailedEvent, style: ShowStyle): string[] {
  const { clock } = style;
  const columns = [
    { head: 'STEP', right: true as const },
    { head: 'TASK', wraps: 12 },
    { head: 'ON', wraps: 10 },
    { head: 'STATUS' },
    { head: 'TOOK', right: true as const },
    { head: 'NODES' },
  ];
  const rows = event.StepResults.map((step): (Cell | string)[] => [
    String(step.No),
    step.Section === 'main' ? step.Name : `${step.Name} (${step.Section})`,
    placeOf(step),
    {
      text: `${statusWord(step.Status)}${step.Ignored ? ' (ignored)' : ''}`,
      tone: step.Ignored ? 'warn' : toneOf(step.Status),
    },
    spanText(step, clock.now),
    countsText(step.Nodes),
  ]);
  const lines = table(columns, rows, style, (at) => showNodes(event.StepResults[at] as StepView, style));
  const missing = missingText(event);
  if (missing !== undefined) lines.push(paint(missing, 'dim', style.colour));
  return lines;
}

/** Steps that have no result: those before a rerun's first, and those that the end of the run came before. */
export function missingText(event: DetailedEvent): string | undefined {
  const missing = (event.Steps ?? 0) - event.StepResults.length;
  if (missing <= 0) return undefined;
  const steps = (count: number) => `${count} ${count === 1 ? 'step' : 'steps'}`;
  const before = event.RerunOf === undefined ? 0 : (event.StepResults[0]?.No ?? 0);
  const parts = [
    before > 0 ? `${steps(before)} not run again` : '',
    missing > before ? `${steps(missing - before)} not run` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** A reason for the step that is none of its nodes', then the nodes: each, or by status. */
function showNodes(step: StepView, style: ShowStyle): string[] {
  const { clock, colour } = style;
  const lines: string[] = [];
  const failed = step.Nodes.filter((node) => isFailure(node.Status));
  const told = failed.some((node) => node.Reason !== undefined && step.Reason?.includes(node.Reason));
  if (step.Reason !== undefined && (!told || step.Status === 'success'))
    lines.push(...below({ text: step.Reason, tone: toneOf(step.Status) }, style, 6));
  const one = (node: NodeView) => {
    const status = paint(statusWord(node.Status), toneOf(node.Status), colour);
    const span = spanText(node, clock.now);
    const notes = [
      span,
      node.Attempt !== undefined && node.Attempt > 1 ? `attempt ${node.Attempt}` : '',
      node.Retried !== undefined && node.Retried > 0 ? `tried ${node.Retried + 1} times` : '',
    ].filter((note) => note !== '');
    const plain = `${node.Node}: ${statusWord(node.Status)}${notes.length > 0 ? `, ${notes.join(', ')}` : ''}${node.Reason === undefined ? '' : `: ${clean(node.Reason)}`}`;
    const [first = '', ...rest] = wrap(plain, style.columns - 8);
    lines.push(
      `      ${first.replace(`${node.Node}: ${statusWord(node.Status)}`, () => `${node.Node}: ${status}`)}`,
      ...rest.map((line) => `        ${line}`),
    );
  };
  if (style.nodes || step.Nodes.length <= NARROW) {
    for (const node of step.Nodes) one(node);
    return lines;
  }
  for (const node of failed.slice(0, MOST_FAILURES)) one(node);
  if (failed.length > MOST_FAILURES)
    lines.push(
      ...below(
        { text: `and ${failed.length - MOST_FAILURES} more that failed: --nodes shows all` },
        style,
        6,
      ),
    );
  const others = step.Nodes.filter((node) => !isFailure(node.Status));
  for (const status of new Set(others.map((node) => node.Status))) {
    const names = others.filter((node) => node.Status === status).map((node) => node.Node);
    lines.push(
      ...below({ text: `${statusWord(status)}: ${abridged(names)}`, tone: toneOf(status) }, style, 6),
    );
  }
  return lines;
}

/** `n1, n2, n3 and 94 more`; all where there are few. */
function abridged(names: readonly string[]): string {
  return names.length <= 8
    ? names.join(', ')
    : `${names.slice(0, 6).join(', ')} and ${names.length - 6} more`;
}

export function isFailure(status: string): boolean {
  return status === 'error' || status === 'timeout' || status === 'cancelled' || status === 'lost';
}

/** `97 success, 3 error`. */
export function countsText(nodes: readonly Pick<NodeView, 'Status'>[]): string {
  const counts = new Map<string, number>();
  for (const { Status } of nodes) counts.set(Status, (counts.get(Status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${statusWord(status)}`).join(', ');
}

export function placeOf(step: Pick<StepView, 'Service' | 'Tag'>): string {
  if (step.Service === undefined) return 'every node';
  return step.Tag === undefined ? step.Service : `${step.Service}/${step.Tag}`;
}

/** How long it took, or has taken; '' when it never began. Two clocks may disagree: never negative. */
export function spanText(
  one: { readonly StartedAt?: string; readonly FinishedAt?: string; readonly Status: string },
  now: number,
): string {
  const start = msOf(one.StartedAt);
  if (start === undefined) return '';
  const end = msOf(one.FinishedAt) ?? (one.Status === 'inprogress' ? now : undefined);
  return end === undefined ? '' : duration(Math.max(0, end - start));
}

function tookText(event: EventView, clock: Clock): string {
  const span = spanText(event, clock.now);
  return span === '' || event.Status === 'queued'
    ? ''
    : ` ${event.Status === 'inprogress' ? 'for' : 'after'} ${span}`;
}

function timesText(event: EventView, clock: Clock): string {
  const parts = [
    event.QueuedAt === undefined ? '' : `queued ${timeText(event.QueuedAt, clock)}`,
    event.StartedAt === undefined ? '' : `started ${clockText(event.StartedAt, event.QueuedAt, clock)}`,
    event.FinishedAt === undefined ? '' : `ended ${clockText(event.FinishedAt, event.StartedAt, clock)}`,
  ].filter((part) => part !== '');
  const group = event.Group === undefined || event.Group === 'default' ? '' : `, group ${event.Group}`;
  return `${parts.join(', ')} (${zoneText(clock)})${group}`;
}
