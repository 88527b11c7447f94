/** A simulated cluster: hosts, the true time, who works at what; moved on by `_actors.ts`, watched by `_invariants.ts`. */
import type { Candidate, Control, Outcome, Rerun, Run, Stamp, StepSpec } from '../../src/run/types.js';
import { type Host, randomHosts, randomRerun, randomSteps } from './_cases.js';
import { type Answer, Consul, type Entry, type Op } from './_consul.js';
import { watch, type Watch } from './_invariants.js';
import { Random } from './_random.js';

export const LIMITS = { maxClockSkew: 300_000 };
export const TTL = 10_000;

/** Deliberate mistakes, to see that the invariants find them. */
export type Mistake =
  | 'assign without the outcome check'
  | 'claim without the run check'
  | 'write without cas'
  | 'admit without the slot'
  | 'clock before the look'
  | 'deaf to its lost session'
  | 'a reboot is as any absence'
  | 'the record of a reboot is kept'
  | 'forgets what it repeats';

/** A process between two of its requests. */
export interface Actor {
  readonly kind: 'dispatch' | 'execute' | 'relock' | 'operate';
  readonly host: Host;
  readonly work: Generator<Pause, void>;
  pause: Pause;
}

/** Undefined: goes on at any moment. A function: goes on when it says so; `linked` false: needs no Consul. */
export type Pause = undefined | (() => boolean);

/** A task while its processes live, and until its result is handed in. */
export interface Task {
  readonly id: string;
  readonly no: number;
  readonly host: Host;
  readonly attempt: number;
  readonly value: unknown;
  session: string;
  ends: number;
  status: Exclude<Outcome['status'], 'inprogress' | 'lost'>;
  stopped: boolean;
  /** Its claim was given away. */
  taken: boolean;
  readonly silence: number;
  readonly kill: number;
  /** It reboots its machine in the middle, and asks for so long (ms). */
  readonly reboot?: number;
  /** It goes on after the reboot of this machine. */
  readonly resumed: boolean;
}

/** What a machine's own disk says about a task that waits for its reboot. */
export interface PendingReboot {
  readonly attempt: number;
  readonly boot: number;
  readonly timeout: number;
  readonly askedAt: number;
}

export interface Lease {
  session: string;
  lastGood: number;
  /** It expires so long after `lastGood`. */
  readonly expires: number;
  /** The process that renews it is gone. */
  orphan: boolean;
  renewing?: boolean;
}

/** What an event is, as every node's schedule files say. */
export interface Plan {
  readonly id: string;
  readonly group: string;
  readonly limit: number;
  readonly steps: readonly StepSpec[];
  /** It repeats a run of long ago: from a step on, and not on the nodes that succeeded then. */
  readonly rerun?: Rerun;
}

export class World {
  readonly random: Random;
  readonly consul = new Consul();
  readonly hosts: readonly Host[];
  readonly plans: readonly Plan[];
  /** True time (ms), which no host knows. */
  time = 1_000_000;
  actors: Actor[] = [];
  readonly tasks = new Map<string, Task>();
  readonly leases = new Map<string, Lease>();
  /** By node and target; survives the machine. */
  readonly disks = new Map<string, PendingReboot>();
  readonly orphans: Lease[] = [];
  /** Operations that fit into one transaction: small, so that releases are cut in two. */
  readonly txnOps: number;
  readonly watch: Watch;
  readonly trace: string[] = [];
  readonly seen = new Map<string, number>();

  constructor(
    seed: number,
    readonly mistake?: Mistake,
  ) {
    const random = new Random(seed);
    this.random = random;
    this.hosts = randomHosts(random);
    this.txnOps = random.pick([5, 64]);
    this.plans = Array.from({ length: random.whole(1, 3) }, (_, at) => {
      const wide = random.chance(0.3);
      const steps = randomSteps(random);
      return {
        id: `e${at}`,
        group: wide ? 'wide' : 'default',
        limit: wide ? 2 : 1,
        steps,
        ...random.maybe(steps.length > 0 ? 0.2 : 0, 'rerun', () => randomRerun(random, steps, this.hosts)),
      };
    });
    this.watch = watch(this);
    for (const plan of this.plans) this.push(plan);
  }

  push(plan: Plan): void {
    this.txn('push', [
      { verb: 'check-not-exists', key: `results/${plan.id}` },
      { verb: 'cas', key: `event_queue/${plan.id}`, value: plan, index: 0 },
    ]);
  }

  txn(what: string, ops: readonly Op[]): Answer {
    const answer = this.consul.txn(ops);
    this.note(`${what} ${answer.ok ? 'ok' : `conflict ${answer.failed.join()}`}`);
    if (answer.ok) this.watch.check();
    return answer;
  }

  note(text: string): void {
    this.trace.push(`${this.time} ${text}`);
  }

  count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  stamp(host: Host): Stamp {
    return { at: this.time + host.skew, by: host.name };
  }

  run(id: string): (Entry & { readonly value: Run }) | undefined {
    return this.consul.get(`progress/${id}/run`) as (Entry & { value: Run }) | undefined;
  }

  control(id: string): { value: Control; index: number } {
    const entry = this.consul.get(`control/${id}`);
    const value = entry?.value as Control | undefined;
    return { value: value ?? {}, index: entry?.modified ?? 0 };
  }

  candidates(spec: { readonly service?: string; readonly tag?: string }): Candidate[] {
    return this.hosts
      .filter((host) => host.listed && (spec.service === undefined || host.services.includes(spec.service)))
      .map((host) => ({
        node: host.name,
        alive: host.alive,
        passing: host.alive && host.passing,
        tags: host.tags,
        meta: { zone: Number(host.name.slice(1)) % 2 === 0 ? 'east' : 'west' },
      }));
  }

  passing(gate: { readonly service: string }): { passing: number; all: number } {
    const all = this.candidates(gate);
    return { passing: all.filter((one) => one.passing).length, all: all.length };
  }

  /** True time goes on: live executors renew, the sessions of the others expire, the cut ones stop their tasks. */
  elapse(ms: number): void {
    for (const host of this.hosts) if (host.up && host.linked) this.listen(host);
    this.time += ms;
    for (const [name, lease] of this.leases) {
      const host = this.host(name);
      const alive = this.consul.sessions.has(lease.session);
      if (host.up && host.linked && alive) lease.lastGood = this.time;
      else if (alive && this.time > lease.lastGood + lease.expires) this.expire(lease, name);
      const task = this.tasks.get(name);
      const silent = this.time - lease.lastGood;
      if (this.mistake === 'deaf to its lost session') continue;
      if (task !== undefined && !task.stopped && silent > task.silence) {
        this.stop(task, 'error', lease.lastGood + task.silence + task.kill);
        this.count('stopped by silence');
      }
    }
    for (const lease of this.orphans) {
      if (this.consul.sessions.has(lease.session) && this.time > lease.lastGood + lease.expires)
        this.expire(lease, 'an orphan');
    }
    this.watch.check();
  }

  expire(lease: Lease, whose: string): void {
    this.note(`the session ${lease.session} of ${whose} expires`);
    this.consul.destroySession(lease.session);
  }

  /** A live executor hangs on the run's key and sees that its step is being stopped. */
  listen(host: Host): void {
    const task = this.tasks.get(host.name);
    if (task === undefined || task.stopped) return;
    const run = this.run(task.id)?.value;
    if (run !== undefined && run.current === task.no && run.step.phase !== 'stopping') return;
    const status = run?.step.stop?.status === 'timeout' ? 'timeout' : 'cancelled';
    this.stop(task, status, this.time + this.random.whole(0, task.kill));
  }

  stop(task: Task, status: Task['status'], at: number): void {
    this.note(`${task.host.name} is told to stop ${task.id}/${task.no}: ${status}`);
    task.stopped = true;
    if (at < task.ends) {
      task.ends = at;
      task.status = status;
    }
  }

  /** The handlers on a host end without a word; what they held is free when the session expires, or sooner. */
  kill(host: Host): void {
    this.note(`${host.name} handlers are killed`);
    this.actors = this.actors.filter((actor) => actor.host !== host);
    this.tasks.delete(host.name);
    const lease = this.leases.get(host.name);
    this.leases.delete(host.name);
    if (lease === undefined) return;
    lease.orphan = true;
    if (this.random.chance(0.3)) this.expire(lease, host.name);
    else this.orphans.push(lease);
  }

  /** The machine goes down with everything on it, whoever asked for it, and has another boot id when it is back. */
  shutDown(host: Host): void {
    this.kill(host);
    host.up = false;
    host.boot += 1;
    host.alive = this.random.chance(0.3);
  }

  host(name: string): Host {
    return this.hosts.find((host) => host.name === name) as Host;
  }

  busy(host: Host, kind: Actor['kind']): boolean {
    return this.actors.some((actor) => actor.host === host && actor.kind === kind);
  }

  start(kind: Actor['kind'], host: Host, work: Generator<Pause, void>): void {
    this.actors.push({ kind, host, work, pause: undefined });
  }

  ready(actor: Actor): boolean {
    // Without a way to Consul no request is answered; a task needs none.
    if (!actor.host.linked && actor.pause === undefined) return false;
    return actor.pause === undefined || actor.pause();
  }

  resume(actor: Actor): void {
    const result = actor.work.next();
    if (result.done === true) this.actors = this.actors.filter((one) => one !== actor);
    else actor.pause = result.value;
  }
}
