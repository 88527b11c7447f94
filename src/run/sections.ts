import type { Decision, FinalStatus, Run, Section, Stamp, StepEnd, StepReport, StepState } from './types.js';

/**
 * Ends the current step with `end` and says what comes next: the next step of its section, `rescue`
 * after a failure of the main steps, `always` in any case, or the end of the run.
 * `end` undefined: the run has no such step (an event without steps).
 */
export function endStep(
  run: Run,
  end: { status: FinalStatus; reason?: string; ignored?: true } | undefined,
  now: Stamp,
): Decision {
  const spec = run.steps[run.current];
  let next: Run = run;
  const reports: StepReport[] = [];
  if (spec !== undefined && end !== undefined) {
    const stepEnd: StepEnd = { no: spec.no, ...end };
    reports.push(stepEnd);
    next = { ...run, ended: [...run.ended, stepEnd] };
    const failed = !end.ignored && end.status !== 'success' && end.status !== 'skip';
    if (failed) {
      const failure = {
        status: end.status,
        reason: `step ${spec.no} ${spec.task}: ${end.reason ?? end.status}`,
        no: spec.no,
      };
      // A later failure (in rescue or always) does not hide the one that began it.
      next = { ...next, failure: run.failure ?? failure };
    }
  }
  const following = follow(next, spec?.section ?? 'always');
  next = following.run;
  if (following.no === undefined) {
    const status = finalStatus(next);
    const reason = next.failure?.reason ?? (next.rescued ? `rescued: ${next.rescued.reason}` : undefined);
    return { kind: 'end', run: next, status, ...(reason === undefined ? {} : { reason }), reports };
  }
  return {
    kind: 'write',
    run: { ...next, current: following.no, step: freshStep(now) },
    reports,
    releases: [],
  };
}

/** The state of a step that nobody has looked at yet. */
export function freshStep(now: Stamp): StepState {
  return { phase: 'waiting', since: now, targets: [], batches: [], marks: {} };
}

/** The first step to run: a rerun may start later. */
export function firstStep(run: Pick<Run, 'steps' | 'rerun'>): number {
  return run.rerun?.From ?? 0;
}

function follow(run: Run, section: Section): { run: Run; no?: number } {
  const after = (wanted: Section) =>
    run.steps.find((step) => step.section === wanted && step.no > run.current)?.no;
  // A second cancel leaves out the `always` steps as well, whenever it came.
  if ((run.cancelled?.count ?? 0) > 1) return { run };
  const lastFailed = failedAt(run, run.current);
  if (section === 'main' && run.cancelled === undefined) {
    const no = lastFailed ? after('rescue') : after('main');
    if (no !== undefined) return { run, no };
  }
  if (section === 'rescue' && run.cancelled === undefined && !lastFailed) {
    const no = after('rescue');
    if (no !== undefined) return { run, no };
    // All rescue steps went well: the failure is mended (as Ansible's rescue does).
    const { failure, ...mended } = run;
    const rescued: Run = failure === undefined ? run : { ...mended, rescued: failure };
    return withNo(rescued, after('always'));
  }
  return withNo(run, after('always'));
}

function withNo(run: Run, no: number | undefined): { run: Run; no?: number } {
  return no === undefined ? { run } : { run, no };
}

function failedAt(run: Run, no: number): boolean {
  const end = run.ended.find((one) => one.no === no);
  return end !== undefined && !end.ignored && end.status !== 'success' && end.status !== 'skip';
}

/** What the event's result says: its failure, or success; skip when no step ran at all. */
function finalStatus(run: Run): FinalStatus {
  if (run.cancelled !== undefined && run.failure?.status !== 'error' && run.failure?.status !== 'timeout')
    return 'cancelled';
  if (run.failure !== undefined) return run.failure.status;
  const ran = run.ended.filter((end) => end.status !== 'skip');
  return ran.length === 0 && run.ended.length > 0 ? 'skip' : 'success';
}
