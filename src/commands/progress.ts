/** How an event goes on, as lines for a pipe and as a bar for a terminal. Pure. */
import { list } from '../run/view.js';
import { widthOf } from './columns.js';
import type { DetailedEvent, NodeView, StepView } from './event-view.js';
import { clean, paint, statusWord } from './paint.js';
import { isFailure, type ShowStyle, spanText } from './show-event.js';
import { type Clock, clockText } from './times.js';

/** In wider steps only failures have a line of their own. */
const NARROW = 16;

/** What happened between two looks, a line each, with the time at which it was seen. */
export function progressLines(
  before: DetailedEvent | undefined,
  after: DetailedEvent,
  clock: Clock,
): string[] {
  const lines: string[] = [];
  const say = (text: string) => lines.push(`${clockText(clock.now, clock.now, clock)} ${clean(text)}`);
  if (after.Status === 'queued' && before?.Waiting !== after.Waiting) say(`queued: ${after.Waiting ?? ''}`);
  for (const step of after.StepResults) {
    const was = before?.StepResults.find((one) => one.No === step.No);
    const name = `step ${step.No} ${step.Name}`;
    if (step.Status === 'waiting') continue;
    const begun = was !== undefined && was.Status !== 'waiting';
    if (!begun && step.Nodes.length > 0)
      say(`${name} starts on ${list(step.Nodes.map((node) => node.Node))}`);
    for (const node of step.Nodes) {
      if (!ended(node) || ended(was?.Nodes.find((one) => one.Node === node.Node))) continue;
      if (step.Nodes.length > NARROW && !isFailure(node.Status)) continue;
      const span = spanText(node, clock.now);
      say(
        `${name}: ${node.Node} ${statusWord(node.Status)}${span === '' ? '' : ` after ${span}`}${node.Reason === undefined ? '' : `: ${node.Reason}`}`,
      );
    }
    if (step.Status !== 'inprogress' && was?.Status !== step.Status) {
      const joined = step.Nodes.length > NARROW ? ` on ${step.Nodes.length} nodes` : '';
      say(`${name} ended${joined}: ${step.Status}${step.Reason === undefined ? '' : `, ${step.Reason}`}`);
    }
  }
  const gate = gateOf(after);
  if (gate !== undefined && gate !== gateOf(before)) say(gate);
  return lines;
}

/** What an operator must do, or what holds it; spans are left out, or it would change with every look. */
function gateOf(event: DetailedEvent | undefined): string | undefined {
  const waiting = event?.Status === 'inprogress' ? event.Waiting : undefined;
  return waiting !== undefined && /paused|approval|lost:|waiting for a node|passing of|quorum/.test(waiting)
    ? waiting.replace(/, \d[\d.]* (ms|s|m|h)( \d+ [sm])?/g, '')
    : undefined;
}

function ended(node: NodeView | undefined): boolean {
  return node !== undefined && node.Status !== 'inprogress' && node.Status !== 'waiting';
}

/** `[#####-----] 2 of 4 steps, 12 of 100 nodes`. */
export function bar(event: DetailedEvent, style: Pick<ShowStyle, 'columns' | 'colour' | 'clock'>): string {
  const all = event.Steps ?? 0;
  const done = event.StepResults.filter((step) => step.Status !== 'waiting' && step.Status !== 'inprogress');
  const current = event.StepResults.find((step) => step.Status === 'inprogress');
  const share = all === 0 ? 0 : Math.min(1, (done.length + shareOf(current)) / all);
  const nodes =
    current === undefined || current.Nodes.length === 0
      ? ''
      : `, ${current.Nodes.filter(ended).length} of ${current.Nodes.length} nodes`;
  const text = ` ${done.length} of ${all} steps${nodes} ${spanText(event, style.clock.now)}`;
  const room = Math.max(4, Math.min(40, style.columns - widthOf(text) - 3));
  const full = Math.round(share * room);
  return `[${paint('#'.repeat(full), 'busy', style.colour)}${'-'.repeat(room - full)}]${text}`;
}

function shareOf(step: StepView | undefined): number {
  return step === undefined || step.Nodes.length === 0
    ? 0
    : step.Nodes.filter(ended).length / step.Nodes.length;
}
