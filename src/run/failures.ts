/** When failures end a step, and the words for them. */
import type { Verdict } from './judge.js';
import { totalTargets } from './targets.js';
import type { FinalStatus } from './types.js';
import { list, type View } from './view.js';

export function fatalFailures(view: View, failed: number, total: number): boolean {
  const { spec, step } = view;
  if (failed === 0 || spec.ignoreErrors) return false;
  // A canary is there to be trusted: one that fails ends the step, whatever share may fail later.
  if (spec.canary !== undefined && step.batches.length === 1) return true;
  if (spec.anyErrorsFatal || spec.maxFailPercentage === undefined) return true;
  return (failed * 100) / total > spec.maxFailPercentage;
}

export function endOf(
  view: View,
  verdicts: ReadonlyMap<string, Verdict>,
): { status: FinalStatus; reason?: string; ignored?: true } {
  const { spec, step } = view;
  const done = [...verdicts.values()].filter((verdict) => verdict.kind === 'done');
  const bad = done.filter((verdict) => !verdict.ok);
  if (bad.length === 0) {
    const skippedOnly = done.length > 0 && done.every((verdict) => verdict.status === 'skip');
    return skippedOnly ? { status: 'skip', reason: 'skipped on all its targets' } : { status: 'success' };
  }
  const reason = firstFailure(view, verdicts);
  const total = totalTargets(view);
  if (!fatalFailures(view, bad.length, total) && !spec.ignoreErrors) {
    return {
      status: 'success',
      reason: `${bad.length} of ${total} failed, within max_fail_percentage; ${reason}`,
    };
  }
  const statuses = new Set(bad.map((verdict) => verdict.status));
  const status: FinalStatus = statuses.has('error')
    ? 'error'
    : statuses.has('timeout')
      ? 'timeout'
      : 'cancelled';
  const unreleased = spec.runOnce ? 0 : total - step.targets.length;
  const rest = unreleased > 0 ? `; ${unreleased} not started` : '';
  return { status, reason: reason + rest, ...(spec.ignoreErrors ? { ignored: true as const } : {}) };
}

/** The first failure in words, and how many more there are. */
export function firstFailure(view: View, verdicts: ReadonlyMap<string, Verdict>): string {
  const bad = view.step.targets.filter((node) => {
    const verdict = verdicts.get(node);
    return verdict?.kind === 'done' && !verdict.ok;
  });
  const first = bad[0];
  if (first === undefined) return '';
  const outcome = view.observed.outcomes.get(first);
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : '';
  return `${first}: ${outcome?.reason ?? outcome?.status ?? 'failed'}${more}`;
}

export function unfinished(view: View, open: readonly string[]): string {
  const claimed = open.filter((node) => view.observed.outcomes.has(node));
  const unclaimed = open.filter((node) => !view.observed.outcomes.has(node));
  const parts: string[] = [];
  if (claimed.length > 0) parts.push(`${list(claimed)} did not finish`);
  if (unclaimed.length > 0) parts.push(`${list(unclaimed)} did not start (is metronome running there?)`);
  return parts.join('; ');
}
