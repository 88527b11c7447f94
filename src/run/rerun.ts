/** What a new run takes from the one it repeats. Pure; checked twice: where it is asked for, and where it is admitted. */
import type { Rerun, Section, Status, StepSpec } from './types.js';

/** A step of the old run, as its results tell. */
export interface OldStep {
  readonly No: number;
  readonly Name: string;
  readonly Status: Status | 'waiting';
  readonly Section: Section;
  readonly Pattern?: string;
  readonly Service?: string;
  readonly Tag?: string;
  readonly Nodes: readonly { readonly Node: string; readonly Status: string }[];
}

export interface OldRun {
  readonly id: string;
  readonly status: Status | 'queued';
  readonly steps: readonly OldStep[];
  /** What it took itself from the run that it repeated. */
  readonly rerun?: Rerun;
}

export type Repeat =
  | { readonly ok: true; readonly rerun: Rerun }
  /** The steps are others than they were, a line for each difference; or there is nothing to repeat. */
  | {
      readonly ok: false;
      readonly reason: 'changed' | 'nothing' | 'beyond';
      readonly details: readonly string[];
    };

/**
 * A rerun of the whole, from a step on, or (`failed`) of the nodes that failed or never started: from the first step in
 * which one failed, without the nodes that succeeded in the steps of its section; rescue and always steps run anew.
 */
export function repeat(
  old: OldRun,
  steps: readonly StepSpec[],
  options: { readonly from?: number; readonly failed: boolean },
): Repeat {
  const whole = options.from === undefined && !options.failed;
  const base = { Of: old.id, Steps: steps.map(nameOf) };
  if (whole) return { ok: true, rerun: { Of: old.id, From: 0, Done: {} } };
  const details = old.steps.flatMap((step) => differenceOf(step, steps[step.No]));
  if (details.length > 0) return { ok: false, reason: 'changed', details };
  const from = options.from ?? firstFailed(old, steps);
  if (from === undefined) return { ok: false, reason: 'nothing', details: [] };
  if (from >= steps.length) return { ok: false, reason: 'beyond', details: [] };
  const ended: Record<string, string> = { ...old.rerun?.Ended };
  for (const step of old.steps) {
    // A step that was left out because it was done stays what it was.
    if (step.Status === 'skip' && ended[step.No] !== undefined) continue;
    ended[step.No] = step.Status;
  }
  const done = options.failed ? doneIn(old, steps, from) : {};
  return { ok: true, rerun: { ...base, From: from, Done: done, Ended: ended } };
}

/** Why a rerun must not be admitted with these steps: its numbers would mean other tasks. Undefined: it may. */
export function rerunFault(rerun: Rerun | undefined, steps: readonly StepSpec[]): string | undefined {
  if (rerun === undefined) return undefined;
  if (rerun.From >= steps.length && steps.length > 0)
    return `it is to begin at step ${rerun.From}, and the event has ${steps.length} steps here`;
  const names = rerun.Steps;
  if (names === undefined) return undefined;
  const at = Math.max(names.length, steps.length);
  for (let no = 0; no < at; no += 1) {
    const spec = steps[no];
    const here = spec === undefined ? 'none' : nameOf(spec);
    if (names[no] !== here)
      return `its step ${no} was ${names[no] ?? 'none'} where the rerun was asked for, and is ${here} here: the schedule files differ`;
  }
  return undefined;
}

function firstFailed(old: OldRun, steps: readonly StepSpec[]): number | undefined {
  const failed = old.steps.find(
    (step) =>
      (step.Status !== 'success' && step.Status !== 'skip') || step.Nodes.some((node) => isBad(node.Status)),
  );
  if (failed !== undefined) return failed.No;
  if (old.status === 'success' || old.status === 'skip') return undefined;
  // It ended before a step began: what has no result never started.
  const from = old.rerun?.From ?? 0;
  const seen = new Set(old.steps.map((step) => step.No));
  return steps.find((step) => step.no >= from && !seen.has(step.no))?.no ?? from;
}

function doneIn(old: OldRun, steps: readonly StepSpec[], from: number): Record<string, string[]> {
  const section = steps[from]?.section;
  const done: Record<string, string[]> = {};
  for (const spec of steps) {
    if (spec.no < from || spec.section !== section) continue;
    const nodes = old.steps.find((step) => step.No === spec.no)?.Nodes ?? [];
    const failed = new Set(nodes.filter((node) => isBad(node.Status)).map((node) => node.Node));
    const names = [
      ...(old.rerun?.Done[String(spec.no)] ?? []).filter((node) => !failed.has(node)),
      ...nodes.filter((node) => node.Status === 'success' || node.Status === 'skip').map((node) => node.Node),
    ];
    if (names.length > 0) done[spec.no] = [...new Set(names)];
  }
  return done;
}

function isBad(status: string): boolean {
  return status !== 'success' && status !== 'skip';
}

function nameOf(spec: StepSpec): string {
  return `${spec.pattern}/${spec.task}`;
}

function differenceOf(step: OldStep, spec: StepSpec | undefined): string[] {
  const was = `step ${step.No} was ${wordsOf(step.Name, step.Pattern, step.Service, step.Tag, step.Section)}`;
  if (spec === undefined) return [`${was}, there is none now`];
  const before = [step.Name, step.Service, step.Tag, step.Section, step.Pattern ?? spec.pattern];
  const now = [spec.task, spec.service, spec.tag, spec.section, spec.pattern];
  if (before.every((part, at) => part === now[at])) return [];
  return [`${was}, is ${wordsOf(spec.task, spec.pattern, spec.service, spec.tag, spec.section)} now`];
}

function wordsOf(task: string, pattern?: string, service?: string, tag?: string, section?: string): string {
  const on = service === undefined ? 'every node' : tag === undefined ? service : `${service}/${tag}`;
  return `${task} on ${on}${pattern === undefined ? '' : ` (pattern ${pattern})`}${section === undefined || section === 'main' ? '' : ` in ${section}`}`;
}
