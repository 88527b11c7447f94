/** What must be true of the simulated cluster after every move (README, "The rules"). */
import type { Outcome, Run, StepSpec } from '../../src/run/types.js';
import type { Task, World } from './_world.js';

export interface Watch {
  /** After every change of the store, and when time went on. */
  check(): void;
  /** A task begins on a node: its claim has just passed. */
  started(task: Task): void;
  /** The outcome says that its machine may be away for so long (ms). */
  rebooting(task: Task, timeout: number): void;
  /** It goes on after the reboot. */
  resumed(task: Task): void;
}

export class Violation extends Error {
  override name = 'Violation';
}

interface Remembered {
  readonly run: Run;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

export function watch(world: World): Watch {
  const remembered = new Map<string, Remembered>();
  const starts = new Map<string, number>();
  /** Attempts that were told to reboot: how often each went on, and until when nobody may call it lost. */
  const reboots = new Map<string, { boot: number; resumed: number; until: number }>();
  const pushed = new Set<string>();
  let checked = 0;
  const fail = (text: string): never => {
    throw new Violation(text);
  };
  const working = (id: string) =>
    [...world.tasks.values()].filter((task) => task.id === id && task.ends > world.time);

  function check(): void {
    if (checked === world.consul.index) return;
    checked = world.consul.index;
    checkPlaces();
    for (const { id } of world.plans) {
      const before = remembered.get(id);
      const run = world.run(id)?.value;
      if (run === undefined) {
        if (before !== undefined) leftStep(before);
        if (before !== undefined) checkEnd(id);
        remembered.delete(id);
        continue;
      }
      const prefix = `progress/${id}/${run.current}/`;
      const outcomes = new Map(
        world.consul.tree(prefix).map((entry) => [entry.key.slice(prefix.length), entry.value as Outcome]),
      );
      if (before !== undefined) checkChange(before, { run, outcomes });
      checkInboxes(run);
      remembered.set(id, { run, outcomes });
    }
  }

  /** An event is in one place, and a slot belongs to its run. */
  function checkPlaces(): void {
    for (const { id, group } of world.plans) {
      const queued = world.consul.get(`event_queue/${id}`) !== undefined;
      const running = world.run(id) !== undefined;
      const seen = world.consul.get(`results/${id}`) !== undefined;
      if (queued || seen) pushed.add(id);
      if (queued === seen && pushed.has(id)) fail(`${id} is ${queued ? 'queued and seen' : 'lost'}`);
      const slots = world.consul.tree(`active/${group}/`).filter((slot) => slot.value === id);
      if (slots.length !== (running ? 1 : 0)) fail(`${id} has ${slots.length} slots, running: ${running}`);
    }
  }

  function checkEnd(id: string): void {
    const rest = [
      ...world.consul.tree(`progress/${id}/`),
      ...world.consul.tree('inbox/').filter((entry) => entry.key.split('/')[2] === id),
      ...world.consul.tree(`control/${id}`),
    ];
    if (rest.length > 0) fail(`${id} left ${rest.map((entry) => entry.key).join(', ')}`);
  }

  function checkInboxes(run: Run): void {
    for (const { key } of world.consul.tree('inbox/')) {
      const [, node, id, no] = key.split('/') as [string, string, string, string];
      if (id !== run.id) continue;
      if (Number(no) !== run.current) fail(`${key} stands while step ${run.current} is current`);
      if (!run.step.targets.includes(node)) fail(`${key} stands, and ${node} is no target`);
    }
  }

  function checkChange(before: Remembered, after: Remembered): void {
    const { run } = after;
    const old = before.run;
    if (run.current < old.current) fail(`${run.id} went back to step ${run.current}`);
    if (!starting(run.ended, old.ended)) fail(`${run.id} changed how its steps ended`);
    if (run.current !== old.current) {
      leftStep(before);
      const end = run.ended.at(-1);
      const failed = end !== undefined && !end.ignored && !['success', 'skip'].includes(end.status);
      const section = run.steps[run.current]?.section;
      if (failed && section === 'main')
        fail(`${run.id} goes on after its step ${end.no} ended ${end.status}`);
      if (section === 'rescue' && run.failure === undefined) fail(`${run.id} rescues nothing`);
      if (section !== 'always' && run.cancelled !== undefined) fail(`${run.id} goes on though cancelled`);
      return;
    }
    const { step } = run;
    if (old.step.phase === 'stopping' && step.phase !== 'stopping') fail(`${run.id} stopped no more`);
    if (old.step.phase === 'running' && step.phase === 'waiting') fail(`${run.id} waits again`);
    if (!starting(step.targets, old.step.targets)) fail(`${run.id} took a target back`);
    if (sum(step.batches) !== step.targets.length) fail(`${run.id} has targets in no batch`);
    if (old.step.phase !== 'running') {
      if (step.targets.length > old.step.targets.length) released(before, after, 0);
    } else if (step.batches.length > old.step.batches.length) {
      released(before, after, step.batches.length - 1);
    } else if (step.batches.some((size, at) => size !== old.step.batches[at])) {
      if (limitOf(run, step.batches.length - 1) !== Number.POSITIVE_INFINITY)
        fail(`${run.id}: batch ${step.batches.join()} was ${old.step.batches.join()}`);
    }
    for (const [node, outcome] of before.outcomes) checkOutcome(run, node, outcome, after.outcomes.get(node));
  }

  /** A batch is released when all before it are done, and is no larger than it may be. */
  function released(before: Remembered, after: Remembered, batch: number): void {
    const { run } = after;
    const spec = run.steps[run.current] as StepSpec;
    const size = run.step.batches[batch] ?? 0;
    if (size > limitOf(run, batch)) fail(`${run.id}/${run.current}: batch ${batch} has ${size} targets`);
    if (batch > 0) {
      allDone(before, before.run.step.targets);
      allSettled(before, spec);
      const bad = badNodes(before, spec);
      if (spec.canary !== undefined && batch === 1 && bad.length > 0 && !spec.ignoreErrors)
        fail(`${run.id}/${run.current} goes on after a failed canary`);
      if (bad.length > 0 && !spec.ignoreErrors && (spec.maxFailPercentage ?? 0) === 0)
        fail(`${run.id}/${run.current} goes on after ${bad.join()} failed`);
      if ((bad.length * 100) / world.hosts.length > (spec.maxFailPercentage ?? 100) && !spec.ignoreErrors)
        fail(`${run.id}/${run.current} goes on with ${bad.length} of ${world.hosts.length} failed`);
      if (spec.approve && spec.canary !== undefined && batch === 1) {
        const approved = world.control(run.id).value.approve?.[String(spec.no)] ?? 0;
        if (approved === 0) fail(`${run.id}/${run.current} goes on without an approval`);
      }
    }
    if (spec.quorum !== undefined && 'count' in spec.quorum && batch === 0) {
      const all = world.hosts.length;
      if (all < spec.quorum.count) fail(`${run.id}/${run.current} starts without its quorum`);
    }
  }

  /** The step is over: nothing of it is at work, nothing of it can begin, and success means that all went well. */
  function leftStep(before: Remembered): void {
    const { run } = before;
    const at = working(run.id);
    if (at.length > 0)
      fail(
        `${run.id}/${run.current} is over while ${at.map((task) => `${task.host.name}/${task.no}`).join()} work`,
      );
    if (before.run.steps[run.current] === undefined) return;
    allDone(before, run.step.targets);
    const result = world.consul.get(`results/${run.id}`)?.value as { run: Run } | undefined;
    const after = world.run(run.id)?.value ?? result?.run;
    const end = after?.ended.find((one) => one.no === run.current);
    if (end === undefined) fail(`${run.id}/${run.current} has no end`);
    const spec = run.steps[run.current] as StepSpec;
    const bad = badNodes(before, spec);
    if (end?.status === 'success' && bad.length > 0 && spec.maxFailPercentage === undefined)
      fail(`${run.id}/${run.current} ended with success though ${bad.join()} failed`);
    if (end?.status === 'success') allSettled(before, spec);
    world.count(`step ${end?.status}${end?.ignored ? ' ignored' : ''}`);
  }

  function allDone({ run, outcomes }: Remembered, nodes: readonly string[]): void {
    const open = nodes.filter((node) => (outcomes.get(node)?.status ?? 'inprogress') === 'inprogress');
    if (open.length > 0) fail(`${run.id}/${run.current} goes on while ${open.join()} have no result`);
  }

  /** With a health check a step goes on when all that succeeded have been healthy for long enough. */
  function allSettled({ run, outcomes }: Remembered, spec: StepSpec): void {
    if (spec.healthCheck === undefined) return;
    const open = run.step.targets.filter(
      (node) => outcomes.get(node)?.status === 'success' && !run.step.marks[node]?.settled,
    );
    if (open.length > 0) fail(`${run.id}/${run.current} goes on though ${open.join()} may not be healthy`);
  }

  function badNodes({ outcomes, run }: Remembered, spec: StepSpec): string[] {
    return run.step.targets.filter((node) => {
      const outcome = outcomes.get(node);
      if (outcome?.unreachable && spec.ignoreUnreachable) return false;
      return outcome?.status !== 'success' && outcome?.status !== 'skip';
    });
  }

  /** A result stands: only a lost one may be tried again, and only health may turn success into failure. */
  function checkOutcome(run: Run, node: string, old: Outcome, outcome: Outcome | undefined): void {
    const what = `${run.id}/${run.current}/${node}`;
    if (outcome === undefined) return fail(`${what} lost its outcome ${old.status}`);
    // A step that is being stopped does not wait for it.
    if (old.status === 'inprogress' && outcome.status === 'lost' && run.step.phase === 'running') {
      const away = reboots.get(`${run.id}/${run.current}/${node}/${old.attempt}`);
      if (away !== undefined && away.resumed === 0 && world.time < away.until)
        fail(`${what} is called lost while its machine may be away`);
    }
    if (outcome.status === old.status || old.status === 'inprogress') return;
    if (old.status === 'lost' && outcome.attempt === old.attempt + 1) return;
    if (old.status === 'success' && outcome.reason?.startsWith('unhealthy')) return;
    fail(`${what} was ${old.status} and became ${outcome.status}`);
  }

  function started(task: Task): void {
    const { id, no, host } = task;
    const what = `${id}/${no} on ${host.name}`;
    const run = world.run(id)?.value;
    if (run === undefined || run.current !== no) return fail(`${what} starts while it is not current`);
    if (run.step.phase !== 'running') fail(`${what} starts while the step is ${run.step.phase}`);
    const { targets, batches } = run.step;
    const last = batches.at(-1) ?? 0;
    const batch = targets.slice(targets.length - last);
    // A lost target of an earlier batch keeps its batch open, so there is no later one yet.
    if (!batch.includes(host.name)) fail(`${what} starts and is not of the batch ${batch.join()}`);
    const beside = working(id).filter((one) => one !== task);
    const strange = beside.find((one) => one.no !== no || one.host === host);
    if (strange !== undefined) fail(`${what} starts beside ${strange.no} on ${strange.host.name}`);
    if (beside.length + 1 > last) fail(`${what} is one more than the batch of ${last}`);
    const key = `${id}/${no}/${host.name}`;
    const count = (starts.get(key) ?? 0) + 1;
    starts.set(key, count);
    const spec = run.steps[no] as StepSpec;
    const approved = world.control(id).value.approve?.[`${no}/hold`] ?? 1;
    const allowed = spec.onLost === 'retry' ? 3 : spec.onLost === 'hold' ? approved : 1;
    if (count > allowed || count !== task.attempt)
      fail(`${what} starts for the ${count}. time, attempt ${task.attempt}, allowed ${allowed}`);
    const { rerun } = world.plans.find((plan) => plan.id === id) ?? {};
    if (rerun?.Done[String(no)]?.includes(host.name)) fail(`${what} succeeded in the run that it repeats`);
    if (rerun !== undefined && no < rerun.From) fail(`${what} is before the step from which it repeats`);
    if (spec.runOnce && targets.length > 1) fail(`${what} runs once, on ${targets.join()}`);
  }

  const attemptOf = ({ id, no, host, attempt }: Task) => `${id}/${no}/${host.name}/${attempt}`;

  function rebooting(task: Task, timeout: number): void {
    reboots.set(attemptOf(task), { boot: task.host.boot, resumed: 0, until: world.time + timeout });
  }

  function resumed(task: Task): void {
    const what = attemptOf(task);
    const reboot = reboots.get(what);
    // A machine may go down before the mark is made: the record alone is enough to go on.
    if (reboot !== undefined && reboot.boot === task.host.boot) fail(`${what} goes on before its reboot`);
    const times = (reboot?.resumed ?? 0) + 1;
    reboots.set(what, { boot: reboot?.boot ?? 0, until: 0, resumed: times });
    if (times > 1) fail(`${what} goes on for the ${times}. time`);
    const run = world.run(task.id)?.value;
    if (run?.current !== task.no) fail(`${what} goes on while it is not current`);
    if (run?.step.phase !== 'running') fail(`${what} goes on while the step is ${run?.step.phase}`);
  }

  /** The most targets that a batch can have, however many nodes there are. */
  function limitOf(run: Run, batch: number): number {
    const spec = run.steps[run.current] as StepSpec;
    if (spec.runOnce) return 1;
    if (spec.canary !== undefined && batch === 0) return spec.canary;
    const at = spec.canary === undefined ? batch : batch - 1;
    const size = spec.serial?.[Math.min(at, spec.serial.length - 1)];
    if (size === undefined) return Number.POSITIVE_INFINITY;
    if ('count' in size) return size.count;
    return Math.max(1, Math.floor((size.percent * world.hosts.length) / 100));
  }

  return { check, started, rebooting, resumed };
}

function starting(list: readonly unknown[], with_: readonly unknown[]): boolean {
  return with_.every((item, at) => JSON.stringify(item) === JSON.stringify(list[at]));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
