import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { runTask } from '../../src/operations/run-task.js';
import type { TaskConsul } from '../../src/operations/types.js';
import type { HttpOperation, WaitForOperation } from '../../src/schedule/types.js';
import { until } from '../support/until.js';
import { bench, task, TIMEOUT } from './_task.js';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function server(t: ExecutionContext, answer: (seen: Seen, response: ServerResponse) => void) {
  const seen: Seen[] = [];
  const http = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body };
      seen.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  return { seen, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

async function freePort(): Promise<number> {
  const tcp = createTcpServer();
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as AddressInfo;
  await new Promise((resolve) => tcp.close(resolve));
  return port;
}

const http = (keys: Partial<HttpOperation>) =>
  ({ kind: 'http', url: '', method: 'GET', headers: {}, status: [], ...keys }) as const;
const waitFor = (target: WaitForOperation['target'], keys: Partial<WaitForOperation> = {}) =>
  ({ kind: 'wait-for', target, interval: 10, ...keys }) as const;

test('http: method, headers and body with variables; any 2xx will do', async (t) => {
  const { seen, url } = await server(t, (_, response) => response.writeHead(204).end());
  const one = bench(t, { config: { variables: { v: '1.2', path: 'deploy' } } });
  const outcome = await runTask(
    task(
      http({
        url: `${url}/{{path}}?key=s3cret`,
        method: 'POST',
        headers: { 'x-version': '{{v}}' },
        body: '{"v": "{{v}}"}',
      }),
    ),
    one.context,
    TIMEOUT,
  );
  t.deepEqual(outcome, { status: 'success', retried: 0 });
  t.like(seen[0], { method: 'POST', url: '/deploy?key=s3cret', body: '{"v": "1.2"}' });
  t.is(seen[0]?.headers['x-version'], '1.2');
  t.true(one.lines().includes(`POST ${url}/deploy answered 204`));
  t.notRegex(one.log.text(), /s3cret/);
});

test('http: an unexpected status fails and shows what the answer said', async (t) => {
  const { url } = await server(t, (_, response) =>
    response.writeHead(503).end('no\nleader '.repeat(100_000)),
  );
  const one = bench(t);
  t.like(await runTask(task(http({ url, status: [200, 201] })), one.context, TIMEOUT), {
    status: 'error',
    reason: 'http at task.yml:1 got status 503, expected 200 or 201',
  });
  t.true(one.lines().some((line) => line.startsWith('no leader no leader')));
  t.like(await runTask(task(http({ url, status: [503] })), one.context, TIMEOUT), { status: 'success' });
});

test('http: a redirect is followed for GET, and an answer like any other for POST', async (t) => {
  const { seen, url } = await server(t, (one, response) =>
    one.url === '/new' ? response.end('ok') : response.writeHead(302, { location: '/new' }).end(),
  );
  const one = bench(t);
  t.like(await runTask(task(http({ url })), one.context, TIMEOUT), { status: 'success' });
  t.like(await runTask(task(http({ url, method: 'POST', body: 'x' })), one.context, TIMEOUT), {
    reason: 'http at task.yml:1 got status 302, expected 2xx',
  });
  t.deepEqual(
    seen.map(({ method, url }) => `${method} ${url}`),
    ['GET /', 'GET /new', 'POST /'],
  );
});

test('http: no answer in time, nobody there, a wrong url', async (t) => {
  const { url } = await server(t, () => {});
  const one = bench(t);
  const reason = async (keys: Partial<HttpOperation>) =>
    (await runTask(task(http(keys)), one.context, TIMEOUT)).reason ?? '';
  t.is(
    await reason({ url, timeout: 100 }),
    'http at task.yml:1 got no answer within 100 ms: no answer in time',
  );
  t.regex(
    await reason({ url: `http://127.0.0.1:${await freePort()}` }),
    /got no answer within 30 s: connect ECONNREFUSED/,
  );
  t.regex(await reason({ url: 'ftp://x' }), /was not run: its url is none that begins with http/);
  const withPassword = await reason({ url: 'http://anna:pass-word@127.0.0.1/' });
  t.regex(withPassword, /has a user name or password: put them into headers/);
  t.notRegex(withPassword, /pass-word/);
});

test('http: retries go on until the status is right', async (t) => {
  const { url } = await server(t, (_, response) => response.writeHead(seenCount++ < 2 ? 500 : 200).end());
  let seenCount = 0;
  const one = bench(t);
  t.deepEqual(await runTask(task(http({ url, retries: 3, retryDelay: 5 })), one.context, TIMEOUT), {
    status: 'success',
    retried: 2,
  });
});

test('the signal ends a request and a wait at once', async (t) => {
  const { seen, url } = await server(t, () => {});
  for (const operation of [
    http({ url, timeout: 600_000 }),
    waitFor({ http: { url, status: [] } }, { timeout: 600_000 }),
  ]) {
    const before = seen.length;
    const { context, stop } = bench(t);
    const running = runTask(task(operation), context, TIMEOUT);
    await until(() => seen.length > before, 'the request');
    stop.abort({ status: 'cancelled', reason: 'enough' });
    t.like(await running, { status: 'cancelled', reason: 'enough' });
  }
});

test('wait-for: a tcp port that opens later', async (t) => {
  const port = await freePort();
  const one = bench(t);
  const running = runTask(task(waitFor({ tcp: { host: '127.0.0.1', port } })), one.context, TIMEOUT);
  const tcp = createTcpServer((socket) => socket.destroy());
  t.teardown(() => tcp.close());
  await new Promise<void>((resolve) => tcp.listen(port, '127.0.0.1', resolve));
  t.like(await running, { status: 'success' });
  t.true(one.lines().includes(`tcp 127.0.0.1:${port} is there`));
});

test('wait-for: a port that never opens is named with what was seen last', async (t) => {
  const port = await freePort();
  const { context } = bench(t);
  const operation = waitFor({ tcp: { host: '127.0.0.1', port } }, { timeout: 150 });
  t.regex(
    (await runTask(task(operation), context, TIMEOUT)).reason ?? '',
    new RegExp(
      `^wait-for at task.yml:1 waited 150 ms in vain for tcp 127.0.0.1:${port}; last seen: connect ECONNREFUSED`,
    ),
  );
});

test('wait-for: an http status', async (t) => {
  let count = 0;
  const { url } = await server(t, (_, response) => {
    count += 1;
    response.writeHead(count < 4 ? 503 : 200).end();
  });
  const { context } = bench(t);
  t.like(await runTask(task(waitFor({ http: { url, status: [] } })), context, TIMEOUT), {
    status: 'success',
  });
  t.is(count, 4);
  const never = waitFor({ http: { url, status: [418] } }, { timeout: 100 });
  t.regex(
    (await runTask(task(never), context, TIMEOUT)).reason ?? '',
    /last seen: status 200, expected 418$/,
  );
});

test('wait-for: instances of a service', async (t) => {
  const asked: unknown[] = [];
  const answers: (Error | { passing: number; all: number })[] = [];
  const consul = {
    async passing(...question: unknown[]) {
      asked.push(question);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  } as unknown as TaskConsul;
  const { context } = bench(t, { consul, config: { variables: { name: 'db' } } });
  const run = async (passing: number | 'all', ...sequence: typeof answers) => {
    // Those that come to pass have all the time they need; the one in vain must not take long.
    const limit = passing === 3 ? 300 : 30_000;
    answers.splice(0, answers.length, ...sequence);
    const operation = waitFor({ service: { name: '{{name}}', tag: 'primary', passing } }, { timeout: limit });
    const { status, reason } = await runTask(task(operation), context, TIMEOUT);
    return reason ?? status;
  };
  t.is(await run('all', { passing: 0, all: 0 }, { passing: 1, all: 2 }, { passing: 2, all: 2 }), 'success');
  t.is(await run(1, new Error('no leader'), { passing: 1, all: 3 }), 'success');
  t.regex(
    await run(3, { passing: 2, all: 5 }),
    /in vain for service db \(primary\); last seen: 2 of 5 passing, expected 3$/,
  );
  t.deepEqual(asked[0], ['db', 'primary']);
});
