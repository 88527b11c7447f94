import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { endGroup, MARK } from './end-group.js';
import type { Guard } from './guard.js';
import { forgetGroup, recordGroup } from './leftovers.js';
import { processInfo } from './proc.js';
import { Tail } from './tail.js';
import type { TaskLog } from './types.js';

export interface ProcessRequest {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What the program reads on its standard input; nothing when absent. */
  readonly input?: string;
  /** false: what it prints is not logged. */
  readonly output: boolean;
}

/** What a process needs of the task that it belongs to. */
export interface ProcessHost {
  readonly log: TaskLog;
  readonly signal: AbortSignal;
  /** ms between TERM and KILL. */
  readonly grace: number;
  readonly workDir: string;
  readonly stateDir: string;
  readonly claim: string;
  readonly guard?: Guard;
}

export type ProcessEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly by: NodeJS.Signals }
  | { readonly kind: 'not-started'; readonly why: string }
  /** By the host's signal; `left` are the pids that not even KILL ended. */
  | { readonly kind: 'stopped'; readonly left: readonly number[] };

/**
 * Runs a program in a process group of its own. Standard output and error go to one file, so that they keep their
 * order and a dying handler gives nobody a broken pipe; the file is read into the log as it grows. The input is a file
 * too: a shell that reads from a pipe would run half a script when its writer dies.
 *
 * When the program exits, in whatever way, what it started in the background goes on: a task may start a daemon.
 * When the signal comes, everything goes: its group, and all who carry its mark or descend from it.
 */
export async function runProcess(request: ProcessRequest, host: ProcessHost): Promise<ProcessEnd> {
  const { signal, claim, stateDir } = host;
  if (signal.aborted) return { kind: 'stopped', left: [] };
  const mark = randomUUID();
  const raw = join(host.workDir, `output-${mark}`);
  const files: number[] = [];
  let tail: Tail | undefined;
  try {
    const input = openInput(request.input, host.workDir, mark, files);
    let output: number | 'ignore' = 'ignore';
    if (request.output) {
      output = openSync(raw, 'ax', 0o600);
      files.push(output);
      tail = await Tail.open(raw, {
        onChunk: (chunk) => host.log.output(chunk),
        onSkipped: (bytes) => {
          host.log.endOutput();
          host.log.line(
            'WARN',
            `-- ${bytes} bytes of output are left out here: it comes faster than it can be read`,
          );
        },
        onEmptied: () =>
          host.log.line(
            'WARN',
            '-- the program emptied its own output (> /dev/stdout or > /dev/stderr): lines may be missing; write >&2 instead',
          ),
      });
    }
    recordGroup(stateDir, claim, { mark });
    const end = await startAndWait(request, host, mark, [input, output, output]);
    // What could not be ended stays on record: the next handler tries again.
    if (end.kind !== 'stopped' || end.left.length === 0)
      attempt(host, 'forget the process', () => forgetGroup(stateDir, claim));
    return end;
  } catch (error) {
    return { kind: 'not-started', why: messageOf(error) };
  } finally {
    // It ran, however the reading of what it printed ends.
    await tail
      ?.end()
      .catch((error: unknown) => host.log.line('WARN', `-- its output cannot be read: ${messageOf(error)}`));
    host.log.endOutput();
    for (const file of files) closeSync(file);
    rmSync(raw, { force: true });
  }
}

async function startAndWait(
  request: ProcessRequest,
  host: ProcessHost,
  mark: string,
  stdio: (number | 'ignore')[],
): Promise<ProcessEnd> {
  const { signal, claim, stateDir, guard } = host;
  // It may have come while the file was opened.
  if (signal.aborted) return { kind: 'stopped', left: [] };
  const child = spawn(request.program, [...request.arguments], {
    cwd: request.cwd,
    env: { ...request.environment, METRONOME_CLAIM: claim, [MARK]: mark },
    stdio,
    detached: true,
  });
  const { pid } = child;
  const exit = new Promise<ProcessEnd>((resolve) => {
    child.once('error', (error) => resolve({ kind: 'not-started', why: whyNot(error, request) }));
    child.once('exit', (code, by) => {
      // First of all: from now on the pid may be somebody else's.
      guard?.release();
      resolve(by === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', by });
    });
  });
  if (pid === undefined) return exit;
  const startTime = processInfo(pid)?.startTime ?? '';
  // It runs by now, and its mark is on record.
  attempt(host, 'record the process', () => recordGroup(stateDir, claim, { mark, pid, startTime }));
  guard?.watch({ pid, startTime, mark }, host.grace);

  let stop = () => {};
  const stopped = new Promise<'stopped'>((resolve) => {
    stop = () => resolve('stopped');
    signal.addEventListener('abort', stop, { once: true });
  });
  const first = await Promise.race([exit, stopped]);
  signal.removeEventListener('abort', stop);
  if (first !== 'stopped') return first;
  const { left } = await endGroup({ pgid: pid, mark }, host.grace);
  // Its exit is known by now, or will not be.
  if (left.length > 0) child.unref();
  else await exit;
  return { kind: 'stopped', left };
}

function attempt({ log }: ProcessHost, what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    log.line('WARN', `-- metronome could not ${what}: ${messageOf(error)}`);
  }
}

/** The input as an open file without a name: scripts may hold secrets, and nobody needs to find it. */
function openInput(
  input: string | undefined,
  workDir: string,
  mark: string,
  files: number[],
): number | 'ignore' {
  if (input === undefined) return 'ignore';
  const path = join(workDir, `input-${mark}`);
  writeFileSync(path, input, { mode: 0o600, flag: 'wx' });
  const file = openSync(path, 'r');
  files.push(file);
  rmSync(path);
  return file;
}

function whyNot(error: Error, { program, cwd }: ProcessRequest): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return `there is no program ${program} (or no folder ${cwd}, or no interpreter as its first line names it)`;
  if (code === 'EACCES') return `${program} may not be run: is it executable (chmod +x)?`;
  if (code === 'E2BIG') return 'its arguments and environment are longer than the system takes';
  return messageOf(error);
}
