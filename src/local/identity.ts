import { readFileSync } from 'node:fs';

/** What makes a process this one and no other: a pid is used again, a start time and a boot id are not. */
export interface Identity {
  readonly pid: number;
  /** Clock ticks since boot (field 22 of /proc/<pid>/stat); '' where there is no /proc. */
  readonly startTime: string;
  readonly bootId: string;
}

const ZOMBIE = 'zombie';

/** This process. */
export function ownIdentity(): Identity {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', bootId: bootId() };
}

/** Whether the process of an identity is still there. Where there is no /proc the pid alone must do. */
export function isAlive(identity: Identity): boolean {
  if (identity.bootId !== bootId()) return false;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const startTime = startTimeOf(identity.pid);
  if (startTime === ZOMBIE) return false;
  return startTime === undefined || identity.startTime === '' || startTime === identity.startTime;
}

/** Changes with each boot; '' where the system does not tell. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold anything: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is as good as gone: it runs nothing any more.
    if (fields[0] === 'Z' || fields[0] === 'X') return ZOMBIE;
    return fields[19];
  } catch {
    return undefined;
  }
}
