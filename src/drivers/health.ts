import { createServer } from 'node:http';
import { InputError, messageOf } from '../errors.js';

export interface Health {
  /** False: /healthz answers 503. */
  readonly good: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

const HOST = '127.0.0.1';

/** Serves /healthz and /metrics on the loopback address; it has no secrets to keep, and nothing can be changed by it. */
export async function serveHealth(
  port: number,
  health: () => Health,
  metrics: () => string,
): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    const answer = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer(405, 'text/plain', 'only GET and HEAD\n');
    if (path === '/healthz') {
      const { good, details } = health();
      return answer(
        good ? 200 : 503,
        'application/json',
        `${JSON.stringify({ healthy: good, ...details })}\n`,
      );
    }
    if (path === '/metrics') return answer(200, 'text/plain; version=0.0.4; charset=utf-8', metrics());
    return answer(404, 'text/plain', 'there are /healthz and /metrics\n');
  });
  server.requestTimeout = 5000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new InputError(`http-port ${port} on ${HOST} cannot be opened (${messageOf(error)}): choose another`),
      ),
    );
    server.listen({ port, host: HOST }, () => resolve());
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
