import { setTimeout as sleep } from 'node:timers/promises';
import { hasProc, ownLine, type ProcessInfo, runningProcesses, startedWith } from './proc.js';

/** The variable that marks the processes of one started program, whatever becomes of their group or parent. */
export const MARK = 'METRONOME_PROCESS';

export interface Group {
  /** The process group; absent when it is no longer known to be ours. */
  readonly pgid?: number;
  /** The value of METRONOME_PROCESS in its processes. */
  readonly mark: string;
}

/** How long after KILL a process may stay before it is given up (ms): in state D no signal reaches it. */
const GIVE_UP_AFTER = 10_000;

/**
 * Ends a process group and whoever left it: TERM to all, after `grace` ms KILL, until nobody is left.
 * Found are the members of the group, processes that carry the mark (they called setsid), and descendants
 * of both (sudo takes the environment away and makes a session of its own). Returns the pids that it had to leave.
 *
 * Trap: a group of zombies answers `kill(-pgid, 0)` for ever where nobody reaps them, so /proc decides.
 */
export async function endGroup(group: Group, grace: number): Promise<{ ended: number; left: number[] }> {
  const hunt = new Hunt(group);
  let alive = hunt.look();
  // A stopped process takes TERM only once it goes on.
  hunt.signal(alive, 'SIGTERM');
  hunt.signal(alive, 'SIGCONT');
  const start = performance.now();
  for (
    let pause = 5;
    alive.length > 0 && performance.now() - start < grace;
    pause = Math.min(pause * 2, 100)
  ) {
    await sleep(Math.min(pause, Math.max(1, grace - (performance.now() - start))));
    alive = hunt.look();
  }
  const killed = performance.now();
  for (let pause = 5; alive.length > 0; pause = Math.min(pause * 2, 100)) {
    if (performance.now() - killed > GIVE_UP_AFTER) break;
    // Each time anew: who was just forked has not heard of the last one.
    hunt.signal(alive, 'SIGKILL');
    await sleep(pause);
    alive = hunt.look();
  }
  return { ended: hunt.found - alive.length, left: alive.map(({ pid }) => pid) };
}

type Prey = Pick<ProcessInfo, 'pid' | 'group'>;

class Hunt {
  /** pid -> start time of everything found so far: an orphan is no longer a descendant of anybody, but was seen. */
  readonly #seen = new Map<number, string>();
  readonly #spared = ownLine();

  constructor(readonly group: Group) {}

  get found(): number {
    return this.#seen.size;
  }

  look(): Prey[] {
    const { pgid, mark } = this.group;
    if (!hasProc()) {
      if (pgid === undefined || !send(-pgid, 0)) return [];
      this.#seen.set(pgid, '');
      return [{ pid: pgid, group: pgid }];
    }
    const running = runningProcesses().filter(({ pid }) => !this.#spared.has(pid));
    const prey = new Map<number, ProcessInfo>();
    for (const info of running) {
      if (
        info.group === pgid ||
        this.#seen.get(info.pid) === info.startTime ||
        startedWith(info.pid, `${MARK}=${mark}`)
      )
        prey.set(info.pid, info);
    }
    for (let before = -1; before !== prey.size; ) {
      before = prey.size;
      for (const info of running) if (prey.has(info.parent)) prey.set(info.pid, info);
    }
    for (const { pid, startTime } of prey.values()) this.#seen.set(pid, startTime);
    return [...prey.values()];
  }

  signal(prey: readonly Prey[], signal: NodeJS.Signals): void {
    const { pgid } = this.group;
    // The group at once, so that none of it can fork away between two signals.
    if (pgid !== undefined && prey.some(({ group }) => group === pgid)) send(-pgid, signal);
    for (const { pid, group } of prey) if (group !== pgid) send(pid, signal);
  }
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    // EPERM: it is there, but belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
