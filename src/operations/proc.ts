/**
 * What /proc tells about processes (Linux). Where there is none, nothing is found, and callers fall back
 * to the process group alone.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** Clock ticks since boot: together with the pid and the boot id it names one process and no other. */
  readonly startTime: string;
  /** A zombie runs nothing any more; whether somebody reaps it is not our business. */
  readonly ended: boolean;
}

export function hasProc(): boolean {
  return existsSync('/proc/self/stat');
}

export function processInfo(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in brackets and may hold anything: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      pid,
      parent: Number(fields[1]),
      group: Number(fields[2]),
      startTime: fields[19] ?? '',
      ended: fields[0] === 'Z' || fields[0] === 'X',
    };
  } catch {
    return undefined;
  }
}

/** Every process that still runs. */
export function runningProcesses(): ProcessInfo[] {
  if (!hasProc()) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processInfo(Number(name)))
    .filter((info): info is ProcessInfo => info !== undefined && !info.ended);
}

/** Whether a process was started with `NAME=value` in its environment; false where we may not look. */
export function startedWith(pid: number, entry: string): boolean {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`.includes(`\0${entry}\0`);
  } catch {
    return false;
  }
}

/** This process and its ancestors: what a task restarted may be the very thing that started us. */
export function ownLine(): ReadonlySet<number> {
  const line = new Set([process.pid]);
  for (let pid = process.ppid; pid > 0 && !line.has(pid); pid = processInfo(pid)?.parent ?? 0) line.add(pid);
  return line;
}
