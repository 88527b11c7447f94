import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address } from '../support/cluster.js';

/** One request of a handler, as it passes. */
export interface Passing {
  /** From 1. */
  readonly no: number;
  readonly method: string;
  readonly url: string;
  readonly body: string;
  /** It may change something: not a GET, and no transaction that only reads. */
  readonly writes: boolean;
}

/** What becomes of a request or of its answer: passed on, or swallowed and the connection cut. */
export type Verdict = 'pass' | 'cut';

export interface Rules {
  /** Called before the request reaches Consul. */
  before?(passing: Passing): Verdict | Promise<Verdict>;
  /** An answer in Consul's stead; undefined: ask Consul. */
  instead?(passing: Passing): { status: number; headers: Record<string, string>; body: string } | undefined;
  /** Called when Consul has answered, before the handler sees the answer. */
  after?(passing: Passing): Verdict | Promise<Verdict>;
}

/** Stands between a handler and its Consul agent, counts the requests, and does to them what its rules say. */
export interface Proxy extends Address {
  readonly count: number;
  /** New rules; counting begins anew. */
  use(rules: Rules): void;
  close(): Promise<void>;
}

export async function startProxy(agent: Address): Promise<Proxy> {
  let rules: Rules = {};
  let count = 0;
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method = 'GET', url = '/' } = incoming;
    const text = body.toString('utf8');
    const passing: Passing = { no: ++count, method, url, body: text, writes: mayWrite(method, url, text) };
    const now = rules;
    if ((await now.before?.(passing)) === 'cut') return void incoming.socket.destroy();
    const answer = now.instead?.(passing) ?? (await forward(agent, incoming, body));
    if ((await now.after?.(passing)) === 'cut') return void incoming.socket.destroy();
    outgoing.writeHead(answer.status, answer.headers);
    outgoing.end(answer.body);
  };
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    name: agent.name,
    host: '127.0.0.1',
    port,
    token: agent.token,
    get count() {
      return count;
    },
    use(next) {
      rules = next;
      count = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function mayWrite(method: string, url: string, body: string): boolean {
  if (method === 'GET') return false;
  if (!url.startsWith('/v1/txn')) return true;
  return /"Verb":"(?!get|get-tree|check)/.test(body);
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
}

function forward(agent: Address, incoming: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { host: _, connection: __, ...headers } = incoming.headers;
    const sent = request(
      { host: agent.host, port: agent.port, method: incoming.method, path: incoming.url, headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const { connection: ___, 'transfer-encoding': ____, ...rest } = response.headers;
          resolve({
            status: response.statusCode ?? 500,
            headers: rest as Answer['headers'],
            body: Buffer.concat(chunks),
          });
        });
      },
    );
    sent.once('error', reject);
    // A handler that is gone must not leave its hanging query behind.
    const gone = () => sent.destroy();
    incoming.socket.once('close', gone);
    sent.once('close', () => incoming.socket.off('close', gone));
    sent.end(body);
  });
}
