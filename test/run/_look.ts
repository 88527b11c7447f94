/** Short ways to write a run, what is seen of the world, and what is decided, for the tables. */
import { advance } from '../../src/run/advance.js';
import type {
  Candidate,
  Control,
  Decision,
  Observed,
  Outcome,
  OutcomeStatus,
  Run,
  StepEnd,
  StepSpec,
  StepState,
} from '../../src/run/types.js';

/** When the step began, by the clock of `here`. */
export const START = 1_000_000_000;
export const SKEW = 300_000;
const begun = { at: START, by: 'here' };

export function stepOf(more: Partial<StepSpec> = {}, no = 0): StepSpec {
  return {
    no,
    section: 'main',
    pattern: 'p',
    task: `t${no}`,
    service: 'app',
    skippable: true,
    startTimeout: 120_000,
    stepTimeout: 3_600_000,
    lostGrace: 60_000,
    onLost: 'fail',
    grace: 10_000,
    ...more,
  };
}

/** A run of these steps that has just begun. */
export function runOf(steps: readonly Partial<StepSpec>[], more: Partial<Run> = {}): Run {
  return {
    version: 1,
    id: 'e1',
    event: 'deploy',
    payload: '',
    data: {},
    group: 'default',
    slot: 0,
    queuedAt: begun,
    startedAt: begun,
    steps: steps.map((step, no) => stepOf(step, no)),
    current: 0,
    step: { phase: 'waiting', since: begun, targets: [], batches: [], marks: {} },
    ended: [],
    ...more,
  };
}

/** The state of a step whose batches are at work: `at('a b', 'c')`. */
export function at(...batches: readonly string[]): StepState {
  const names = batches.map((batch) => batch.split(' '));
  return {
    phase: 'running',
    since: begun,
    targets: names.flat(),
    batches: names.map((batch) => batch.length),
    marks: {},
  };
}

export interface Look {
  /** `a`, `a down`, `a failing`; undefined: the catalog was not asked. */
  readonly nodes?: readonly (string | Candidate)[];
  readonly outcomes?: Readonly<Record<string, OutcomeStatus | Partial<Outcome>>>;
  /** Inbox keys; undefined: not looked at. */
  readonly claims?: Readonly<Record<string, 'held' | 'free'>>;
  readonly gates?: readonly { readonly passing: number; readonly all: number }[];
  readonly control?: Control;
  /** ms since START. */
  readonly after?: number;
  /** Whose clock; `here` when absent. */
  readonly by?: string;
}

export function node(name: string, more: Partial<Candidate> = {}): Candidate {
  return { node: name, alive: true, passing: true, tags: [], meta: {}, ...more };
}

/** Indexes: an outcome has 7, an inbox key 5. */
export function observe(look: Look): Observed {
  const outcomes = Object.entries(look.outcomes ?? {}).map(
    ([name, outcome]) =>
      [
        name,
        {
          attempt: 1,
          session: 's',
          index: 7,
          ...(typeof outcome === 'string' ? { status: outcome } : { status: 'error' as const, ...outcome }),
        },
      ] as const,
  );
  const claims = Object.entries(look.claims ?? {}).map(
    ([name, claim]) => [name, { index: 5, held: claim === 'held' }] as const,
  );
  return {
    outcomes: new Map(outcomes),
    ...(look.nodes === undefined ? {} : { candidates: look.nodes.map(candidate) }),
    ...(look.claims === undefined ? {} : { claims: new Map(claims) }),
    ...(look.gates === undefined ? {} : { gates: look.gates }),
    ...(look.control === undefined ? {} : { control: look.control }),
  };
}

function candidate(text: string | Candidate): Candidate {
  if (typeof text !== 'string') return text;
  const [name = '', state] = text.split(' ');
  return node(name, { alive: state !== 'down', passing: state === undefined });
}

export function decide(run: Run, look: Look = {}): Decision {
  return advance(
    run,
    observe(look),
    { at: START + (look.after ?? 0), by: look.by ?? 'here' },
    {
      maxClockSkew: SKEW,
    },
  );
}

/** A decision in one line. */
export function brief(run: Run, decision: Decision): string {
  switch (decision.kind) {
    case 'wait':
      return `wait: ${decision.why}`;
    case 'settle':
      return decision.settlements
        .map((one) => `settle ${one.node} ${one.status}${one.force ? ' by force' : ''}: ${one.reason}`)
        .join('; ');
    case 'assign':
      return `assign ${decision.releases.map((one) => `${one.node}#${one.attempt}`).join(' ')}`;
    case 'end':
      return [...endings(run, decision.run), `end ${decision.status}${because(decision.reason)}`].join(', ');
    case 'write': {
      const { step } = decision.run;
      if (decision.run.ended.length > run.ended.length)
        return [...endings(run, decision.run), `step ${decision.run.current}`].join(', ');
      if (step.phase === 'stopping' && run.step.phase !== 'stopping')
        return `stop ${step.stop?.status}: ${step.stop?.reason}`;
      if (decision.releases.length > 0)
        return `release ${decision.releases.map((one) => one.node).join(' ')} (${step.batches.join(' ')})`;
      if (step.gate !== run.step.gate) return step.gate === undefined ? 'gate opens' : `gate: ${step.gate}`;
      return 'note';
    }
  }
}

function endings(before: Run, after: Run): string[] {
  return after.ended
    .slice(before.ended.length)
    .map((end: StepEnd) => `${end.no} ${end.ignored ? 'ignored ' : ''}${end.status}${because(end.reason)}`);
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${reason}`;
}

export function say(run: Run, look: Look = {}): string {
  return brief(run, decide(run, look));
}

/** The run after a decision that writes or ends it; the same run when it only waits. */
export function next(run: Run, look: Look = {}): Run {
  const decision = decide(run, look);
  return decision.kind === 'write' || decision.kind === 'end' ? decision.run : run;
}

/** The run after these looks, one after the other. */
export function after(run: Run, ...looks: readonly Look[]): Run {
  return looks.reduce((state, look) => next(state, look), run);
}
