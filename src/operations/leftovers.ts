/**
 * What a killed handler leaves behind: its claim and the processes of its task, recorded locally so that
 * whoever takes over the local lock can end them before anything is called lost.
 *
 *     <stateDir>/running/<claim>.json   {claim, bootId, handler, group?: {mark, pid?, startTime?}}
 *
 * The claim is recorded before anything is spawned, the mark before its process is, the pid right after:
 * a death between two of these leaves a mark, and who carries it is found by his environment.
 * Not synced to the disk: the records must outlive the handler, not the machine (its boot id ends them).
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Identity, isAlive, ownIdentity } from '../local/identity.js';
import type { Logger } from '../log.js';
import { endGroup, type Group, MARK } from './end-group.js';
import { hasProc, processInfo, runningProcesses, startedWith } from './proc.js';

/** The processes of one started program; pid and start time are those of the group's leader. */
export interface RecordedGroup {
  readonly mark: string;
  readonly pid?: number;
  readonly startTime?: string;
}

interface Record {
  readonly claim: string;
  readonly handler: Identity;
  readonly group?: RecordedGroup;
}

export interface Ended {
  readonly claim: string;
  /** How many processes were ended. */
  readonly processes: number;
}

/** Before anything of the claim's task is spawned. */
export function recordClaim(stateDir: string, claim: string): void {
  mkdirSync(folderOf(stateDir), { recursive: true, mode: 0o700 });
  write(stateDir, { claim, handler: ownIdentity() });
}

export function forgetClaim(stateDir: string, claim: string): void {
  unlink(fileOf(stateDir, claim));
}

/**
 * Before a program is spawned with its mark alone, right after with its leader. Without effect where the claim was
 * not recorded: `metronome run` has none.
 */
export function recordGroup(stateDir: string, claim: string, group: RecordedGroup): void {
  const record = read(fileOf(stateDir, claim));
  if (record !== undefined) write(stateDir, { ...record, group });
}

/** The program is over; the daemons that it started are the machine's from now on. */
export function forgetGroup(stateDir: string, claim: string): void {
  const record = read(fileOf(stateDir, claim));
  if (record?.group !== undefined) write(stateDir, { claim: record.claim, handler: record.handler });
}

/**
 * Ends what former handlers left, and tells whose claims these were. To be called under the local lock.
 * Nothing is signalled whose identity does not match: the boot id, the leader's start time or, when the leader is gone,
 * a member of the group with the mark. A handler that still lives (stopped, not dead) keeps its own.
 */
export async function endLeftovers(
  stateDir: string,
  options: { readonly grace: number; readonly log: Logger },
): Promise<Ended[]> {
  const { grace, log } = options;
  const ended: Ended[] = [];
  for (const name of recordsIn(stateDir)) {
    const path = join(folderOf(stateDir), name);
    const record = read(path);
    if (record === undefined) {
      log.warn(`${path} is no record of a running task: it is removed`);
      unlink(path);
      continue;
    }
    const { claim, handler, group } = record;
    const own = ownIdentity();
    if (handler.pid !== own.pid && isAlive(handler)) {
      log.warn(`process ${handler.pid} still holds claim ${claim}: its task is left alone`);
      continue;
    }
    let processes = 0;
    if (group !== undefined && handler.bootId === own.bootId) {
      if (!hasProc()) log.warn('without /proc only the process group of a former task is ended');
      const result = await endGroup(stillOurs(group), grace);
      processes = result.ended;
      if (result.left.length > 0) {
        // Its claim is not given free: something of it still runs.
        log.error(`processes ${result.left.join(', ')} of claim ${claim} could not be ended`);
        continue;
      }
      if (processes > 0) log.warn(`ended ${processes} processes of claim ${claim}, whose handler died`);
    }
    unlink(path);
    ended.push({ claim, processes });
  }
  return ended;
}

/** Claims whose tasks may still run: those of a living handler, and those that could not be ended. */
export function recordedClaims(stateDir: string): string[] {
  return recordsIn(stateDir).flatMap((name) => read(join(folderOf(stateDir), name))?.claim ?? []);
}

/** The process group only if it is still the same one: its number may be used again. */
function stillOurs({ mark, pid, startTime }: RecordedGroup): Group {
  if (pid === undefined) return { mark };
  if (!hasProc()) return { mark, pgid: pid };
  const leader = processInfo(pid);
  const ours =
    leader === undefined
      ? runningProcesses().some((info) => info.group === pid && startedWith(info.pid, `${MARK}=${mark}`))
      : leader.startTime === startTime;
  return ours ? { mark, pgid: pid } : { mark };
}

function folderOf(stateDir: string): string {
  return join(stateDir, 'running');
}

function fileOf(stateDir: string, claim: string): string {
  return join(folderOf(stateDir), `${encodeURIComponent(claim)}.json`);
}

function recordsIn(stateDir: string): string[] {
  try {
    return readdirSync(folderOf(stateDir)).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function read(path: string): Record | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<Record> | null;
    const { claim, handler, group } = value ?? {};
    if (typeof claim !== 'string' || typeof handler?.pid !== 'number') return undefined;
    if (typeof handler.bootId !== 'string' || typeof handler.startTime !== 'string') return undefined;
    // A pid of 0 or 1 would be our own group or everything.
    if (group !== undefined && (typeof group.mark !== 'string' || group.mark === '')) return undefined;
    if (group?.pid !== undefined && !(Number.isInteger(group.pid) && group.pid > 1)) return undefined;
    return { claim, handler, ...(group === undefined ? {} : { group }) };
  } catch {
    return undefined;
  }
}

/**
 * All records of a claim have one length, so that a later one is written over the former by a single call, which a
 * kill does not divide. A rename over a file makes ext4 write it to the disk at once: a millisecond, three times a task.
 */
const LENGTH = 1024;

function write(stateDir: string, record: Record): void {
  const path = fileOf(stateDir, record.claim);
  const bytes = Buffer.from(JSON.stringify(record).padEnd(LENGTH));
  if (statSync(path, { throwIfNoEntry: false })?.size === bytes.length) {
    const file = openSync(path, 'r+');
    try {
      if (writeSync(file, bytes, 0, bytes.length, 0) === bytes.length) return;
    } finally {
      closeSync(file);
    }
  }
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, bytes, { mode: 0o600 });
  renameSync(temporary, path);
}

function unlink(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
