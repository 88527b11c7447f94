/**
 * A task must not outlive its handler when that is killed by SIGKILL and no other handler comes for a while.
 * The guard is a small shell, one for a task, that reads from a pipe whose other end only the handler holds:
 * `<pid> <start time> <mark> <grace in s>` when a program begins, `none` when it is over. When the pipe closes
 * while a program runs, the handler is dead, and the guard ends the program's group: TERM, the grace, KILL.
 *
 * It cannot hit a wrong group: the leader must have its start time, or a member of the group the mark.
 * It has a session and an environment of its own, so that neither the group's signals nor a search for the mark
 * reach it. Only where there is /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { MARK } from './end-group.js';
import { hasProc } from './proc.js';

/** Programs shorter than this are not worth a shell beside them (ms); `leftovers.ts` covers them too. */
const GUARD_AFTER = 100;

const SCRIPT = `
trap '' TERM INT HUP QUIT
current=none
while read -r line; do current=$line; done
[ "$current" != none ] || exit 0
set -- $current
pid=$1 began=$2 mark=$3 grace=$4

# state, parent, pgrp and start of a process; its name, in brackets, may hold anything but is passed over.
look() {
  read -r stat < "/proc/$1/stat" || return 1
  set -- \${stat##*) }
  state=$1 parent=$2 pgrp=$3 start=\${20}
}

# Sends a signal to all that is left: the group, who has the mark, who was seen before, and their descendants.
# Fails when nothing is left.
seen=' '
strike() {
  ours= marked=' ' left=' ' group= single= grown=yes
  look "$pid" && [ "$start" = "$began" ] && ours=yes
  for file in $(grep -lsF "${MARK}=$mark" /proc/[0-9]*/environ); do
    one=\${file#/proc/} one=\${one%/environ}
    marked="$marked$one "
    look "$one" && [ "$pgrp" = "$pid" ] && ours=yes
  done
  while [ -n "$grown" ]; do
    grown=
    for one in /proc/[0-9]*; do
      one=\${one#/proc/}
      case $left in *" $one "*) continue ;; esac
      look "$one" || continue
      case $state in Z|X) continue ;; esac
      case "$marked|$seen|$left" in
        *" $one "*"|"* | *" $one:$start "* | *"|"*"|"*" $parent "*) ;;
        *) [ -n "$ours" ] && [ "$pgrp" = "$pid" ] || continue ;;
      esac
      grown=yes left="$left$one " seen="$seen$one:$start "
      if [ -n "$ours" ] && [ "$pgrp" = "$pid" ]; then group=yes; else single="$single $one"; fi
    done
  done
  [ -z "$group" ] || kill -s "$1" -- "-$pid"
  for one in $single; do kill -s "$1" "$one"; done
  [ "$left" != ' ' ]
}

strike TERM && strike CONT || exit 0
rounds=$((grace * 5))
while [ "$rounds" -gt 0 ]; do
  strike 0 || exit 0
  sleep 0.2 || sleep 1
  rounds=$((rounds - 1))
done
rounds=50
while [ "$rounds" -gt 0 ]; do
  strike KILL || exit 0
  sleep 0.2 || sleep 1
  rounds=$((rounds - 1))
done
`;

export class Guard {
  #shell: ChildProcess | undefined;
  #pipe: Writable | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** A program has begun. */
  watch(
    leader: { readonly pid: number; readonly startTime: string; readonly mark: string },
    grace: number,
  ): void {
    if (!hasProc() || leader.startTime === '') return;
    const line = `${leader.pid} ${leader.startTime} ${leader.mark} ${Math.ceil(grace / 1000)}\n`;
    this.#timer = setTimeout(() => this.#write(line), this.#shell === undefined ? GUARD_AFTER : 0);
  }

  /** The program is over: its pid means nothing any more. */
  release(): void {
    clearTimeout(this.#timer);
    if (this.#shell !== undefined) this.#write('none\n');
  }

  /** The task is over. */
  end(): void {
    this.release();
    this.#pipe?.end();
  }

  #write(line: string): void {
    this.#pipe ??= this.#start();
    this.#pipe?.write(line);
  }

  #start(): Writable | undefined {
    const shell = spawn('/bin/sh', ['-c', SCRIPT, 'metronome-guard'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    });
    // Without a guard the task runs all the same; the next handler ends what is left.
    shell.on('error', () => {});
    shell.stdin.on('error', () => {});
    shell.unref();
    this.#shell = shell;
    return shell.stdin;
  }
}
