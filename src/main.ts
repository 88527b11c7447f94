#!/usr/bin/env node
/** The command's entry: connects the process to `main`, and is the only place that ends it. */
import { isatty } from 'node:tty';
import { main } from './cli.js';
import { EXIT, InputError } from './errors.js';

/** Bytes on standard input; Consul hands over 256 events of 512 bytes at the most. */
const LONGEST_INPUT = 64 * 1024 * 1024;

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // A second one does not wait for anything.
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort(new Error(`stopped by ${name}`));
  });
}
/**
 * Standard output and error, opened when first written to: most handlers say nothing.
 * Whoever started us may be gone (a task may restart Consul): what we say to it is then lost, we go on.
 */
const opened = new Map<'stdout' | 'stderr', NodeJS.WriteStream>();
function stream(name: 'stdout' | 'stderr'): NodeJS.WriteStream {
  const known = opened.get(name);
  if (known !== undefined) return known;
  const fresh = process[name];
  fresh.on('error', () => {});
  opened.set(name, fresh);
  return fresh;
}

/** What was written must reach its reader; what still hangs (a socket, a timer) must not keep us. */
function end(code: number): void {
  process.exitCode = code;
  const flush = ([first, ...rest]: NodeJS.WriteStream[]): void => {
    if (first === undefined) process.exit(code);
    first.write('', () => flush(rest));
  };
  flush([...opened.values()]);
}

const terminal = isatty(1);

void main({
  argv: process.argv.slice(2),
  env: process.env,
  signal: stop.signal,
  io: {
    out: (text) => void stream('stdout').write(text),
    err: (text) => void stream('stderr').write(text),
    terminal,
    columns: (terminal ? stream('stdout').columns : undefined) ?? 80,
    rows: (terminal ? stream('stdout').rows : undefined) ?? 24,
    async stdin() {
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > LONGEST_INPUT)
          throw new InputError(`standard input is longer than ${LONGEST_INPUT / 1024 / 1024} MiB`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    },
  },
}).then(end);
