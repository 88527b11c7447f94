/**
 * What is known on this machine about a task that waits for its reboot:
 * `<stateDir>/reboot/<event>-<step>.json`, on the disk before the command runs.
 */
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../local/state.js';
import type { TaskContext } from './types.js';

export interface PendingReboot {
  readonly eventId: string;
  readonly step: number;
  readonly task: string;
  /** Of the assignment: a later attempt begins anew. */
  readonly attempt: number;
  /** The operation to go on at. */
  readonly resumeAt: number;
  /** Of the boot that is to end. */
  readonly bootId: string;
  /** Seconds since that boot when the reboot was asked for: unlike a clock, they cannot be set. */
  readonly askedAt: number;
  /** ms until the machine must be back. */
  readonly timeout: number;
  /** What consul-kvs had read. */
  readonly variables: Readonly<Record<string, string>>;
}

interface Where {
  readonly identity: Pick<TaskContext['identity'], 'eventId' | 'step'>;
  readonly config: Pick<TaskContext['config'], 'stateDir'>;
}

function fileOf({ identity, config }: Where): string {
  return join(config.stateDir, 'reboot', `${encodeURIComponent(identity.eventId)}-${identity.step}.json`);
}

/** Costs one look at the disk: almost no task has rebooted. */
export function hasPendingReboot(where: Where): boolean {
  return existsSync(fileOf(where));
}

export function writePendingReboot(where: Where, pending: PendingReboot): void {
  writeWhole(fileOf(where), JSON.stringify(pending));
}

export function readPendingReboot(where: Where): PendingReboot | undefined {
  try {
    const pending = JSON.parse(readFileSync(fileOf(where), 'utf8')) as PendingReboot | null;
    return Number.isInteger(pending?.resumeAt) && typeof pending?.bootId === 'string' ? pending : undefined;
  } catch {
    return undefined;
  }
}

export function forgetPendingReboot(where: Where): void {
  try {
    unlinkSync(fileOf(where));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Changes with each boot. METRONOME_BOOT_ID_FILE names another file than the system's own, for tests. */
export function readBootId(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  try {
    return readFileSync(env.METRONOME_BOOT_ID_FILE ?? '/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
