import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/**
 * A guard ends everything that was started under its mark, also when this process is killed by SIGKILL
 * and can clean up nothing: it is a small shell that reads from us until the pipe closes, and then kills
 * whoever carries the mark in his environment (children and grandchildren inherit it), and removes the folder.
 */
export interface Guard {
  readonly mark: string;
  /** The environment that puts a process under this guard. */
  readonly env: NodeJS.ProcessEnv;
  /** Where there is no /proc, only processes told here are ended. */
  tell(pid: number): void;
  /** Ends everything now; resolves when nothing is left. */
  end(): Promise<void>;
}

const MARK = 'METRONOME_GUARD';

const script = `
trap '' INT TERM HUP
pids=
while read -r pid; do pids="$pids $pid"; done
if [ -r /proc/self/environ ]; then
  round=0
  while [ $round -lt 50 ]; do
    found=$(grep -lsaF "$1" /proc/[0-9]*/environ)
    [ -n "$found" ] || break
    for file in $found; do pid=\${file#/proc/}; kill -9 "\${pid%/environ}" 2>/dev/null; done
    round=$((round + 1))
    sleep 0.02
  done
else
  [ -z "$pids" ] || kill -9 $pids 2>/dev/null
fi
[ -z "$2" ] || rm -rf "$2"
`;

export function startGuard(folder: string): Guard {
  const mark = `guard-${randomBytes(6).toString('hex')}`;
  // A session of its own, so that Ctrl-C does not reach it, and a bare environment, so that no other guard takes it for one of his.
  const shell: ChildProcess = spawn('/bin/sh', ['-c', script, 'metronome-guard', mark, folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
  });
  const gone = new Promise<void>((resolve) => shell.once('exit', () => resolve()));
  const pipe = shell.stdin;
  if (pipe === null) throw new Error('the guard has no pipe');
  pipe.on('error', () => undefined);
  shell.unref();
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref();

  return {
    mark,
    env: { [MARK]: `${process.env[MARK] ?? ''}/${mark}` },
    tell: (pid) => void pipe.write(`${pid}\n`),
    end: () => {
      pipe.end();
      shell.ref();
      return gone;
    },
  };
}

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes with this text in their environment (a mark, `METRONOME_EVENT_ID=…`), but not this process. Linux only. */
export function processesWith(text: string): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'latin1').includes(text)) continue;
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      if (command !== '') found.push({ pid: Number(name), command });
    } catch {
      // Gone meanwhile, or another user's.
    }
  }
  return found;
}
