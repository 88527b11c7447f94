/** Measuring: samples, their middle and ends, and a proxy that counts requests. */
import { spawn, spawnSync } from 'node:child_process';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';

export interface Sample {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

export function sampleOf(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  return {
    median: at(Math.floor(sorted.length / 2)),
    min: at(0),
    max: at(sorted.length - 1),
    runs: sorted.length,
  };
}

export function minus(a: Sample, b: number): number {
  return a.median - b;
}

/** ms of `runs` calls, one after the other, after one that is not counted. */
export async function timed(runs: number, work: () => Promise<void> | void): Promise<Sample> {
  await work();
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    await work();
    values.push(performance.now() - start);
  }
  return sampleOf(values);
}

interface Call {
  /** Arguments of node. */
  readonly args: readonly string[];
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** ms that a whole process takes, from its start to its end. */
export function processTime(
  runs: number,
  args: readonly string[],
  options: Omit<Call, 'args'> = {},
): Promise<Sample> {
  return timed(runs, () => call({ args, ...options }));
}

/** Several such processes in turn, so that what else the machine does weighs on all of them alike. */
export async function sideBySide(runs: number, calls: readonly Call[]): Promise<Sample[]> {
  const values = calls.map((): number[] => []);
  for (let run = 0; run <= runs; run += 1) {
    for (const [at, one] of calls.entries()) {
      const start = performance.now();
      call(one);
      // The first is not counted.
      if (run > 0) values[at]?.push(performance.now() - start);
    }
  }
  return values.map(sampleOf);
}

function call({ args, input = '', env }: Call): void {
  const { status, stderr } = spawnSync(process.execPath, args, { input, env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr.toString()}`);
}

/** ms of a shell that does nothing, as an `execute` operation starts one. */
export function shellSpawn(runs: number): Promise<Sample> {
  return timed(
    runs,
    () =>
      new Promise<void>((resolve) => {
        const child = spawn('/bin/sh', [], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
        child.on('close', () => resolve());
        child.stdin.end('true\n');
      }),
  );
}

export interface Counter {
  readonly port: number;
  readonly requests: number;
  /** Bytes that Consul answered. */
  readonly bytes: number;
  /** How many of each kind, as `PUT txn` or `GET health/service`. */
  readonly kinds: ReadonlyMap<string, number>;
  reset(): void;
  close(): void;
}

/** An HTTP proxy before a Consul agent that counts what goes through. Blocking queries count when they are asked. */
export async function countingProxy(to: { host: string; port: number }): Promise<Counter> {
  let requests = 0;
  let bytes = 0;
  const kinds = new Map<string, number>();
  const server = createServer((incoming, answer) => {
    requests += 1;
    const kind = kindOf(incoming);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    const outgoing = request(
      {
        host: to.host,
        port: to.port,
        path: incoming.url,
        method: incoming.method,
        headers: incoming.headers,
      },
      (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.on('data', (chunk: Buffer) => (bytes += chunk.length));
        response.pipe(answer);
      },
    );
    outgoing.on('error', () => answer.destroy());
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get requests() {
      return requests;
    },
    get bytes() {
      return bytes;
    },
    kinds,
    reset() {
      kinds.clear();
      requests = 0;
      bytes = 0;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A transaction that only reads is asked for with `consistent`; keys and names are left out. */
function kindOf({ method, url = '' }: IncomingMessage): string {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const [, , first = '', second = ''] = pathname.split('/');
  if (first === 'txn') return searchParams.has('consistent') ? 'read transaction' : 'write transaction';
  if (first === 'kv') return `${method} kv${searchParams.has('recurse') ? ' tree' : ''}`;
  return `${method} ${first}/${second}`;
}
