import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';
import { hide } from '../log.js';
import type { TaskLog } from './types.js';

const KIB = 1024;
/** A line is cut here (characters): one line of 50 MB must neither fill the memory nor push everything else out. */
const LONGEST_LINE = 16 * KIB;
/** Kept free for the line that says what was left out. */
const NOTICE = 256;

/** What a cut leaves of a character that takes two units. */
const HALF = /[\ud800-\udbff]$/;

export interface TaskLogOptions {
  readonly now: () => Date;
  /** How much of the beginning and of the end is kept (bytes); 200 KiB each when absent. */
  readonly headBytes?: number;
  readonly tailBytes?: number;
  /** What was logged before a reboot, as `text()` gave it: stands first. */
  readonly earlier?: string;
  /** Texts that must never appear; replaced by `[hidden]`. */
  readonly secrets?: readonly string[];
  /** Gets each line as it is seen, without its newline. */
  onLine?(line: string): void;
}

/**
 * The log of one task, bounded in memory: the head, then a ring for the tail. Each line bears the time at
 * which it was seen. A line is handed on only when it is whole, so that a secret that comes in two chunks is hidden too.
 */
export function createTaskLog(options: TaskLogOptions): TaskLog {
  const secrets = shortestLast(options.secrets ?? []);
  const longest = Math.max(0, ...secrets.map((secret) => secret.length));
  const pages = new Pages(options.headBytes ?? 200 * KIB, (options.tailBytes ?? 200 * KIB) - NOTICE);
  for (const line of (options.earlier ?? '').split('\n'))
    if (line !== '') pages.add(line, line.slice(0, line.indexOf(' ')));
  let decoder = new StringDecoder('utf8');
  /** The last line as far as it has come; without its end when it is too long. */
  let pending = '';
  let cut = 0;

  const add = (level: string, text: string, missing = 0, stamp = options.now().toISOString()) => {
    const shown = hide(text, secrets);
    // Where the line was cut, the beginning of a secret may stand, which `hide` does not know.
    const length = Math.min(LONGEST_LINE, missing > 0 ? shown.length - longest : shown.length);
    const over = shown.length - length + missing;
    const note = over > 0 ? ` … (${over} characters more)` : '';
    const line = `${stamp} [${level.padEnd(5)}] ${shown.slice(0, length).replace(HALF, '')}${note}`;
    pages.add(line, stamp);
    options.onLine?.(line);
  };
  const take = (text: string) => {
    pending += text;
    // A progress bar rewrites its line: what stands before a carriage return is not kept. One at the very end may belong to "\r\n".
    const back = pending.lastIndexOf('\r', pending.length - 2);
    if (back !== -1) {
      pending = pending.slice(back + 1);
      cut = 0;
    }
    // A secret may begin before the cut and end behind it.
    const keep = LONGEST_LINE + longest;
    if (pending.length > keep) {
      cut += pending.length - keep;
      pending = pending.slice(0, keep);
    }
  };
  const endLine = (stamp: string) => {
    add('INFO', clean(pending), cut, stamp);
    pending = '';
    cut = 0;
  };

  return {
    line(level, text) {
      for (const part of text.split('\n')) add(level, clean(part));
    },
    output(chunk) {
      const stamp = options.now().toISOString();
      const [first = '', ...rest] = decoder.write(chunk).split('\n');
      take(first);
      for (const part of rest) {
        endLine(stamp);
        take(part);
      }
    },
    endOutput() {
      take(decoder.end());
      decoder = new StringDecoder('utf8');
      if (pending !== '') endLine(options.now().toISOString());
    },
    text: () => pages.text(),
    get size() {
      return pages.size;
    },
  };
}

/** A secret of several lines (a key file) is hidden line by line. The longest first: one may contain another. */
function shortestLast(secrets: readonly string[]): string[] {
  const parts = secrets.flatMap((secret) => [secret, ...secret.split(/\r?\n/)]);
  return [...new Set(parts)].filter((part) => part.length >= 4).sort((a, b) => b.length - a.length);
}

/** Without colours and without anything that would act on the terminal of who reads it. */
function clean(line: string): string {
  const bare = line.includes('\u001b') ? stripVTControlCharacters(line) : line;
  return bare.replace(/\r$/, '').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g, '\ufffd');
}

/** Lines up to a limit, then the last ones up to another; what falls out between them is counted. */
class Pages {
  readonly #head: string[] = [];
  #headLeft: number;
  #headOpen = true;
  /** From `#first` on; what is before it has fallen out and is cleared now and then. */
  #tail: { line: string; bytes: number; stamp: string }[] = [];
  #first = 0;
  #tailUsed = 0;
  #lost = { lines: 0, bytes: 0, stamp: '' };
  size = 0;

  constructor(
    headBytes: number,
    readonly tailBytes: number,
  ) {
    this.#headLeft = headBytes;
  }

  add(line: string, stamp: string): void {
    const bytes = Buffer.byteLength(line) + 1;
    this.size += bytes;
    if (this.#headOpen && bytes <= this.#headLeft) {
      this.#headLeft -= bytes;
      this.#head.push(line);
      return;
    }
    this.#headOpen = false;
    this.#tail.push({ line, bytes, stamp });
    this.#tailUsed += bytes;
    while (this.#tailUsed > this.tailBytes) this.#drop();
    if (this.#first > 1000 && this.#first * 2 > this.#tail.length) {
      this.#tail = this.#tail.slice(this.#first);
      this.#first = 0;
    }
  }

  text(): string {
    const { lines, bytes, stamp } = this.#lost;
    const notice =
      lines === 0
        ? []
        : [`${stamp} [WARN ] -- ${lines} ${lines === 1 ? 'line' : 'lines'} (${bytes} bytes) left out here`];
    const tail = this.#tail.slice(this.#first).map(({ line }) => line);
    return [...this.#head, ...notice, ...tail].map((line) => `${line}\n`).join('');
  }

  #drop(): void {
    const gone = this.#tail[this.#first];
    if (gone === undefined) return;
    // The text itself goes at once, the place in the array later.
    this.#tail[this.#first] = { line: '', bytes: 0, stamp: '' };
    this.#first += 1;
    this.#tailUsed -= gone.bytes;
    this.#lost.lines += 1;
    this.#lost.bytes += gone.bytes;
    if (this.#lost.stamp === '') this.#lost.stamp = gone.stamp;
  }
}
