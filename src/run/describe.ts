/** What a run or a queued event waits for, in one line; pure, for `status`. */
import { type StartRules, startsIn } from './admission.js';
import { judge } from './judge.js';
import { duration } from './time.js';
import type { Control, QueuedEvent, Run, SeenOutcome } from './types.js';
import { list, where } from './view.js';

/** What is known of one target of the current step, beside its outcome. */
export interface Since {
  /** When its task began, ms; by its own clock. */
  readonly startedAt?: number;
}

/**
 * `step 2 configure on service app: waiting for n3, 12 s; n2 done`.
 * `since` tells how long a target has been at work; clocks differ, so a span is never shown as negative.
 */
export function describeRun(
  run: Run,
  seen: { readonly outcomes: ReadonlyMap<string, SeenOutcome>; readonly control?: Control },
  since: ReadonlyMap<string, Since>,
  now: number,
): string {
  const spec = run.steps[run.current];
  if (spec === undefined) return 'about to end';
  const { step } = run;
  const head = `step ${spec.no} ${spec.task} on ${spec.service === undefined ? 'every node' : where(spec)}`;
  const span = (from: number) => duration(Math.max(0, now - from));
  if (step.phase === 'waiting') {
    const gate = seen.control?.pause === true ? 'paused' : step.gate;
    return `${head}: ${gate === undefined ? 'about to start' : `${gate}, ${span(step.since.at)}`}`;
  }
  const open: string[] = [];
  const unbegun: string[] = [];
  const unreachable: string[] = [];
  const unhealthy: string[] = [];
  const held: string[] = [];
  const done: string[] = [];
  let longest = now;
  for (const node of step.targets) {
    const outcome = seen.outcomes.get(node);
    const verdict = judge({ spec, step, observed: seen }, node);
    if (verdict.kind === 'done') done.push(node);
    else if (verdict.kind === 'held') held.push(node);
    else if (outcome === undefined && step.marks[node]?.down !== undefined) unreachable.push(node);
    else if (outcome === undefined) unbegun.push(node);
    else if (outcome.status === 'success') unhealthy.push(node);
    else {
      open.push(node);
      longest = Math.min(longest, since.get(node)?.startedAt ?? now);
    }
  }
  const parts: string[] = [];
  if (open.length > 0) parts.push(`waiting for ${list(open)}${longest < now ? `, ${span(longest)}` : ''}`);
  if (unbegun.length > 0)
    parts.push(`${list(unbegun)} ${unbegun.length === 1 ? 'has' : 'have'} not begun, ${span(step.since.at)}`);
  for (const node of unreachable.slice(0, 3))
    parts.push(`the Consul agent of ${node} is down, ${span(step.marks[node]?.down?.at ?? now)}`);
  if (unreachable.length > 3) parts.push(`and those of ${unreachable.length - 3} more`);
  if (unhealthy.length > 0) parts.push(`${list(unhealthy)} done, waiting for passing checks`);
  if (held.length > 0) parts.push(`${list(held)} lost: approve runs it again, cancel ends the run`);
  const closed = parts.length === 0 ? step.gate : undefined;
  if (closed !== undefined) parts.push(closed);
  if (done.length > 0)
    parts.push(done.length > 8 ? `${done.length} of ${step.targets.length} done` : `${list(done)} done`);
  const stop = step.phase === 'stopping' ? `being ended (${step.stop?.reason ?? 'cancelled'}): ` : '';
  const paused = seen.control?.pause === true && closed === undefined ? '; paused: no new step starts' : '';
  return `${head}: ${stop}${parts.join('; ')}${paused}`;
}

/** Why the event at this place of its group's queue has not started. `group` is the group's queue, in order. */
export function describeQueued(
  queued: QueuedEvent,
  group: readonly QueuedEvent[],
  running: readonly { readonly id: string; readonly event: string }[],
  rules: StartRules | undefined,
  now: number,
): string {
  const place = group.findIndex((event) => event.ID === queued.ID);
  const fellows = group.filter((event) => event.Name === queued.Name);
  const wait =
    rules === undefined
      ? undefined
      : startsIn(
          rules,
          fellows.map((event) => ({ event })),
          now,
        );
  if (wait?.why === 'window')
    return Number.isFinite(wait.at) ? `its window opens in ${duration(wait.ms)}` : 'its window never opens';
  if (wait?.why === 'buffer')
    return `collects further events of its name for ${duration(wait.ms)} (buffer_period)`;
  if (queued.Unplanned !== undefined)
    return `no node could plan it yet, ${duration(Math.max(0, now - queued.Unplanned.at))}: no schedule file defines it where dispatch runs, or the files are broken`;
  if (place > 0) {
    const before = group[place - 1] as QueuedEvent;
    return `behind ${place === 1 ? before.Name : `${place} events`}${queued.Group === 'default' ? '' : ` in group ${queued.Group}`}`;
  }
  if (running.length >= queued.Limit) {
    const [first] = running;
    return `waiting for ${running.length === 1 ? `${first?.event} (${first?.id})` : `one of ${running.length} runs`} to end`;
  }
  return 'about to start';
}
