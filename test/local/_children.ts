/** Handlers as processes of their own. */
import type { ExecutionContext } from 'ava';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.js';

const program = fileURLToPath(new URL('_handler.js', import.meta.url));

export interface Handler {
  readonly pid: number;
  readonly child: ChildProcess;
  /** What it has told so far. */
  said(): string[];
  tell(word: string): void;
  /** Resolves when it has said something that begins so. */
  says(start: string): Promise<string>;
  ended(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

export type Mode = 'hold' | 'take' | 'try';

export function startHandler(t: ExecutionContext, stateDir: string, journal: string, mode: Mode): Handler {
  const child = spawn(process.execPath, [program, stateDir, journal, mode], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await over;
  });
  const said = () => text.split('\n').slice(0, -1);
  return {
    pid: child.pid ?? 0,
    child,
    said,
    tell: (word) => void child.stdin.write(`${word}\n`),
    says: (start) =>
      until(
        () => said().find((line) => line.startsWith(start)),
        `handler ${child.pid} to say ${start}`,
        60_000,
      ),
    ended: () => over,
    kill: (signal) => void child.kill(signal),
  };
}

/** The journal's lines as [pid, what]. */
export function readJournal(journal: string): [string, string][] {
  return readFileSync(journal, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
}

/** How many were inside at once, at the most. */
export function mostInside(lines: readonly (readonly [string, string])[]): number {
  let inside = 0;
  let most = 0;
  for (const [, what] of lines) {
    if (what.startsWith('enter')) inside += 1;
    if (what === 'leave') inside -= 1;
    most = Math.max(most, inside);
  }
  return most;
}
