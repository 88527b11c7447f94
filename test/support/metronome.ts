import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Address } from './api.js';
import { command } from './project.js';

export interface MetronomeOptions {
  readonly prefix?: string;
  readonly stateDir?: string;
  readonly files?: readonly string[];
  readonly stdin?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** ms; it is killed then, and the result's signal says so. Default 60 s. */
  readonly limit?: number;
}

export interface MetronomeResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The whole process, start to end. */
  readonly ms: number;
}

export interface RunningMetronome {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly finished: Promise<MetronomeResult>;
  kill(signal?: NodeJS.Signals): void;
}

/** The environment without what this machine or an outer Consul might have put there. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        name === 'METRONOME_GUARD' || !/^(CONSUL_|METRONOME_|FORCE_COLOR$|NODE_OPTIONS$)/.test(name),
    ),
  );
}

/** Starts the built command as a process of its own, speaking to that node's agent (none: CONSUL_… unset). */
export function startMetronome(
  node: Address | null,
  args: readonly string[],
  options: MetronomeOptions = {},
): RunningMetronome {
  const { prefix, stateDir, files, stdin = '', env = {}, cwd, limit = 60_000 } = options;
  const [name = '', ...rest] = args;
  const flags = [
    ...(prefix === undefined ? [] : ['--prefix', prefix]),
    ...(stateDir === undefined ? [] : ['--state-dir', stateDir]),
    ...(files === undefined ? [] : ['--files', files.join(',')]),
  ];
  const start = performance.now();
  const child = spawn(process.execPath, [command, name, ...flags, ...rest], {
    stdio: 'pipe',
    ...(cwd === undefined ? {} : { cwd }),
    env: {
      ...cleanEnvironment(),
      ...(node === null ? {} : { CONSUL_HTTP_ADDR: `${node.host}:${node.port}` }),
      ...(node?.token === undefined ? {} : { CONSUL_HTTP_TOKEN: node.token }),
      ...env,
    },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const finished = new Promise<MetronomeResult>((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), limit);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({
        code,
        signal,
        stdout: Buffer.concat(out).toString('utf8'),
        stderr: Buffer.concat(err).toString('utf8'),
        ms: performance.now() - start,
      });
    });
  });
  return { pid: child.pid ?? 0, child, finished, kill: (signal = 'SIGKILL') => void child.kill(signal) };
}

/** Runs the built command to its end. */
export function metronome(
  node: Address | null,
  args: readonly string[],
  options: MetronomeOptions = {},
): Promise<MetronomeResult> {
  return startMetronome(node, args, options).finished;
}

interface Teardown {
  teardown(clean: () => Promise<void> | void): void;
}

/** A temporary folder, removed after the test. */
export function tempFolder(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'metronome-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files below a folder: path -> text; a text that begins with `#!` is made executable. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    if (text.startsWith('#!')) chmodSync(path, 0o755);
  }
}

/** `<temporary folder>/<pattern>/task.yml` with this text; returns its path. */
export function writeSchedule(t: Teardown, text: string, pattern = 'pattern'): string {
  const folder = tempFolder(t);
  writeFiles(folder, { [`${pattern}/task.yml`]: text });
  return join(folder, pattern, 'task.yml');
}
