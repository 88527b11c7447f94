/**
 * The local lockfile: on one node at most one execute runs and at most one waits; a third leaves at once.
 * The only importer of proper-lockfile.
 *
 * A lockfile's age is no proof of death (SIGSTOP, a clock step), and two contenders can both take a stale
 * one. So the holder leaves its identity beside the lock: a dead holder's lock is taken at once, a living
 * one's never, and the session claim on Consul decides in the end.
 */
import { rmdirSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import lockfile from 'proper-lockfile';
import { messageOf, MetronomeError } from '../errors.js';
import { type Holder, readRecord, takeRecord } from './holder.js';
import { isAlive, ownIdentity } from './identity.js';
import { ensureStateDir } from './state.js';

export interface Held {
  /** Whether the former holder died without leaving: its tasks may live on. */
  readonly takenOver: boolean;
  release(): Promise<void>;
}

export type Turn =
  | { readonly kind: 'mine'; readonly held: Held }
  | { readonly kind: 'busy'; readonly reason: string };

/** ms after which proper-lockfile takes a lock whose holder does not touch it; its least is 2000. */
const STALE = 5000;
const LOOK_AGAIN = 20;

/**
 * Takes the lock, waiting for it if nobody waits yet.
 * The waiter frees its place after it has the lock and before the caller reads its inbox: whoever finds
 * the place taken may leave, because the one that waits reads after this moment.
 * Whoever is told to stop does not wait on.
 */
export async function takeTurn(
  stateDir: string,
  options: { readonly name?: string; stopping?(): boolean } = {},
): Promise<Turn> {
  const { name = 'execute', stopping = () => false } = options;
  ensureStateDir(stateDir);
  const first = await attempt(stateDir, name);
  if (first !== undefined) return first;
  const place = await tryLock(stateDir, `${name}.waiter`);
  if (place === undefined) return { kind: 'busy', reason: 'one runs and one waits already' };
  try {
    for (;;) {
      const turn = await attempt(stateDir, name, true);
      if (turn !== undefined) return turn;
      if (stopping()) return { kind: 'busy', reason: 'told to stop while another one runs' };
      await sleep(LOOK_AGAIN);
    }
  } finally {
    await place();
  }
}

/** Takes the lock if it is free (or its holder dead); does not wait. */
export async function tryTurn(stateDir: string, name: string): Promise<Turn> {
  ensureStateDir(stateDir);
  return (await attempt(stateDir, name, true)) ?? { kind: 'busy', reason: 'another one runs' };
}

/** Undefined: somebody holds it. */
async function attempt(stateDir: string, name: string, mayBreak = false): Promise<Turn | undefined> {
  const record = join(stateDir, `${name}.holder.json`);
  let release = await tryLock(stateDir, name);
  if (release === undefined && mayBreak && holderIsDead(stateDir, name, record)) {
    // Another may break it at the same time, and even take away the next one's: the record decides.
    try {
      rmdirSync(lockPath(stateDir, name));
    } catch {
      // Its end was seen by another who now holds it; the next look tells.
    }
    release = await tryLock(stateDir, name);
  }
  if (release === undefined) return undefined;
  const former = readRecord(record);
  const alive = former?.holder !== undefined && isAlive(former.holder.identity);
  const folder = lockFolder(stateDir, name);
  // alive: the lock went stale under a process that is stopped or starved (perhaps this one): its task may
  // be running. It holds it still, and is waited for like any other: whoever left now would take the
  // wake-up with him. No folder: such a one has taken it away on leaving.
  if (alive || folder === undefined || !takeRecord(record, former, { identity: ownIdentity(), ...folder })) {
    await release();
    return undefined;
  }
  const done = release;
  let released = false;
  return {
    kind: 'mine',
    held: {
      takenOver: former !== undefined,
      async release() {
        if (released) return;
        released = true;
        if (readRecord(record)?.holder?.identity.pid === process.pid) {
          try {
            unlinkSync(record);
          } catch {
            // Somebody cleaned up before us.
          }
        }
        await done();
      },
    },
  };
}

function holderIsDead(stateDir: string, name: string, record: string): boolean {
  const holder = readRecord(record)?.holder;
  const folder = lockFolder(stateDir, name);
  return (
    holder !== undefined &&
    folder?.ino === holder.ino &&
    folder.born === holder.born &&
    !isAlive(holder.identity)
  );
}

/** Which lock folder stands there now. */
function lockFolder(stateDir: string, name: string): Pick<Holder, 'ino' | 'born'> | undefined {
  try {
    const { ino, birthtimeNs } = statSync(lockPath(stateDir, name), { bigint: true });
    return { ino: String(ino), born: String(birthtimeNs) };
  } catch {
    return undefined;
  }
}

function lockPath(stateDir: string, name: string): string {
  return join(stateDir, `${name}.lock`);
}

async function tryLock(stateDir: string, name: string): Promise<(() => Promise<void>) | undefined> {
  try {
    // proper-lockfile keeps what it holds by the first argument: with the folder there, the waiter's
    // release would let go of the lock itself.
    const release = await lockfile.lock(join(stateDir, name), {
      lockfilePath: lockPath(stateDir, name),
      realpath: false,
      stale: STALE,
      update: 1000,
      retries: 0,
      // The default throws from a timer. A lock taken away is no disaster: the session claim decides.
      onCompromised: () => {},
    });
    const made = folderOf(lockPath(stateDir, name));
    return async () => {
      try {
        await release();
      } catch {
        // proper-lockfile gave it up, because we stood still for longer than it may go untouched. If nobody
        // took it since, it is ours to remove: left behind, it would keep the others out until it is old.
        if (made !== undefined && folderOf(lockPath(stateDir, name)) === made)
          rmSync(lockPath(stateDir, name), { recursive: true, force: true });
      }
    };
  } catch (error) {
    const { code, syscall } = error as { code?: string; syscall?: string };
    if (code === 'ELOCKED') return undefined;
    // Made, and taken away by its former holder before it was ours.
    if (code === 'ENOENT' && syscall !== 'mkdir') return undefined;
    throw new MetronomeError(`${lockPath(stateDir, name)} cannot be made (${messageOf(error)})`, undefined, {
      cause: error,
    });
  }
}

/** What makes a lock's folder this one and no other of its name. */
function folderOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.ino} ${found.birthtimeNs}`;
}
