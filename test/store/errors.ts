/** What is said when Consul does not answer, has no leader, says no, or answers half. */
import test, { type ExecutionContext } from 'ava';
import { createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import type { Config } from '../../src/config.js';
import { EXIT, InputError, MetronomeError, PermissionError, UnreachableError } from '../../src/errors.js';
import { agentName } from '../../src/store/catalog.js';
import { type Client, openClient } from '../../src/store/client.js';
import { push, readQueue } from '../../src/store/queue.js';
import { snapshot } from '../../src/store/runs.js';
import { createSession, renewSession } from '../../src/store/session.js';
import { type Address, consulApi, startCluster, until } from '../support/cluster.js';
import { testConfig } from '../support/config.js';
import { freePort } from '../support/ports.js';
import { queuedEvent } from './_documents.js';
import { openStore, unchanged } from './_store.js';

function clientOn(t: ExecutionContext, node: Address, more: Partial<Config> = {}): Client {
  const client = openClient(testConfig(node, { prefix: 'm/', stateDir: '/nonexistent', ...more }));
  t.teardown(() => client.close());
  return client;
}

/** Every kind of call. */
const CALLS: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  get: (client) => client.get('m/k'),
  tree: (client) => client.tree('m/'),
  keysBelow: (client) => client.keysBelow('m/'),
  put: (client) => client.put('m/k', 'x'),
  delete: (client) => client.delete('m/k'),
  txn: (client) => client.txn([{ verb: 'set', key: 'm/k', value: 'x' }]),
  snapshot: (client) => client.snapshot(['m/']),
  watchKey: (client) => client.watchKey('m/k', { index: 5, wait: 100 }),
  watchTree: (client) => client.watchTree('m/', { index: 5, wait: 100 }),
  session: (client) => createSession(client, 'test'),
  renew: (client) => renewSession(client, '8f7cb6d2-0c3f-4d1f-9d57-1f5a1b4c2d3e'),
  agent: (client) => agentName(client),
};

/** A message is one line, without a stack and without the token. */
function oneLine(t: ExecutionContext, error: Error | undefined, what: string): string {
  const message = error?.message ?? '';
  t.notRegex(message, /\n|undefined|\[object/, what);
  t.true(message.length > 20 && message.length < 400, `${what}: ${message}`);
  return message;
}

test('nobody listens there', async (t) => {
  const node = { name: 'none', host: '127.0.0.1', port: await freePort() };
  const client = clientOn(t, node);
  for (const [name, call] of Object.entries(CALLS)) {
    const error = await t.throwsAsync(call(client), { instanceOf: UnreachableError }, name);
    t.is(error?.exitCode, EXIT.unreachable);
    t.is(
      oneLine(t, error, name),
      `Consul at http://127.0.0.1:${node.port} does not answer (connect ECONNREFUSED 127.0.0.1:${node.port}): is the Consul agent running there?`,
    );
  }
});

test('a host name that is none', async (t) => {
  const client = clientOn(t, { name: 'none', host: 'no-such-host.invalid', port: 8500 });
  const error = await t.throwsAsync(client.get('k'), { instanceOf: UnreachableError });
  t.regex(oneLine(t, error, 'get'), /no-such-host\.invalid:8500 does not answer/);
});

/** A server on loopback that does to each connection what it is told. */
async function rawServer(t: ExecutionContext, talk: (socket: Socket) => void): Promise<Address> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => talk(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(
    () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  );
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { name: 'raw', host: '127.0.0.1', port: address.port };
}

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: 7\r\n';

test('an answer that is cut in the middle, or never ends, is no answer', async (t) => {
  t.timeout(110_000);
  const half = `${HEAD}Content-Length: 1000\r\n\r\n[{"Key":"m/k","Val`;
  const servers: Readonly<Record<string, (socket: Socket) => void>> = {
    'half, then the connection closes': (socket) => socket.end(half),
    'half, then a reset': (socket) => {
      socket.write(half);
      setImmediate(() => socket.resetAndDestroy());
    },
    'half, then silence': (socket) => socket.write(half),
    'nothing at all': () => undefined,
    'a byte now and then': (socket) => {
      socket.write(half);
      const timer = setInterval(() => socket.write(' '), 100);
      socket.on('close', () => clearInterval(timer));
    },
    'the connection closes at once': (socket) => socket.destroy(),
    'no HTTP': (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  };
  await Promise.all(
    Object.entries(servers).map(async ([what, talk]) => {
      const client = clientOn(t, await rawServer(t, talk));
      await Promise.all(
        ['get', 'put', 'txn', 'watchTree'].map(async (name) => {
          const error = await t.throwsAsync(
            CALLS[name]?.(client) ?? Promise.resolve(),
            { instanceOf: UnreachableError },
            `${what}: ${name}`,
          );
          oneLine(t, error, `${what}: ${name}`);
        }),
      );
    }),
  );
});

test('answers that are no Consul’s', async (t) => {
  const answer = (status: string, type: string, body: string) => (socket: Socket) =>
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  const html = `<html>\n<body>${'proxy '.repeat(200)}</body>\n</html>`;
  for (const [status, kind] of [
    ['502 Bad Gateway', UnreachableError],
    ['503 Service Unavailable', UnreachableError],
    ['429 Too Many Requests', UnreachableError],
    ['400 Bad Request', MetronomeError],
    ['301 Moved', MetronomeError],
  ] as const) {
    const client = clientOn(t, await rawServer(t, answer(status, 'text/html', html)));
    const error = await t.throwsAsync(client.get('m/k'), { instanceOf: kind }, status);
    oneLine(t, error, status);
  }
  const broken = clientOn(t, await rawServer(t, answer('200 OK', 'application/json', '[{"Key":')));
  oneLine(t, await t.throwsAsync(broken.get('m/k'), { instanceOf: MetronomeError }), 'half JSON');
});

test('an aborted watch does not wait for an answer that never comes', async (t) => {
  const node = await rawServer(t, (socket) => socket.write(`${HEAD}Content-Length: 10\r\n\r\n[`));
  const abort = new AbortController();
  const waiting = clientOn(t, node).watchKey('m/k', { index: 1, wait: 300_000, signal: abort.signal });
  setTimeout(() => abort.abort(new Error('enough')), 100);
  await t.throwsAsync(waiting, { message: 'enough' });
});

test('a value that is too large', async (t) => {
  const store = openStore(t);
  const key = `${store.prefix}k`;
  await unchanged(t, store, async () => {
    const put = await t.throwsAsync(store.client.put(key, 'x'.repeat(512 * 1024 + 1)), {
      instanceOf: InputError,
    });
    t.regex(oneLine(t, put, 'put'), /larger than Consul takes/);
    const txn = await t.throwsAsync(store.client.txn([{ verb: 'set', key, value: 'x'.repeat(512 * 1024) }]), {
      instanceOf: InputError,
    });
    t.regex(oneLine(t, txn, 'txn'), /larger than Consul takes/);
    await t.throwsAsync(push(store.client, [queuedEvent('e1', { Payload: 'x'.repeat(512 * 1024) })]), {
      instanceOf: InputError,
    });
  });
});

test('no leader: worth another try; then it works again', async (t) => {
  const cluster = await startCluster({
    servers: 2,
    config: { performance: { raft_multiplier: 1, rpc_hold_timeout: '100ms' } },
  });
  t.teardown(() => cluster.close());
  const [s1, s2] = [cluster.node('s1'), cluster.node('s2')];
  const client = clientOn(t, s1);
  await push(client, [queuedEvent('e1')]);
  await s2.kill();
  await until(async () => (await consulApi(s1).leader()) === '', 's1 to be without a leader', 30_000);
  for (const name of [
    'get',
    'tree',
    'keysBelow',
    'put',
    'delete',
    'txn',
    'snapshot',
    'session',
    'watchTree',
  ]) {
    const error = await t.throwsAsync(
      CALLS[name]?.(client) ?? Promise.resolve(),
      { instanceOf: UnreachableError },
      name,
    );
    t.regex(oneLine(t, error, name), /No cluster leader|leader/i, name);
  }
  t.is(await agentName(client), 's1');
  await s2.start();
  await until(async () => (await push(client, [queuedEvent('e1')]))[0] === 'known', 'the queue', 30_000);
  t.is((await readQueue(client)).queue.length, 1);
});

test('what the token may not do is said with the permission that it lacks, and never with the token', async (t) => {
  const cluster = await startCluster({ acl: true });
  t.teardown(() => cluster.close());
  const s1 = cluster.node('s1');
  const api = consulApi(s1);
  await until(
    async () => (await api.request<unknown[]>('GET', 'acl/policies')).length > 0,
    'the ACL system to be there',
    30_000,
  );
  const tokenFor = async (name: string, Rules: string): Promise<string> => {
    await api.request('PUT', 'acl/policy', { body: { Name: name, Rules } });
    return (
      await api.request<{ SecretID: string }>('PUT', 'acl/token', { body: { Policies: [{ Name: name }] } })
    ).SecretID;
  };
  const reader = await tokenFor('reader', 'key_prefix "m/" { policy = "read" }');
  const half = await tokenFor(
    'half',
    'key_prefix "m/event_queue/" { policy = "write" } key_prefix "m/results/" { policy = "read" }',
  );
  const pusher = await tokenFor(
    'pusher',
    'key_prefix "m/event_queue/" { policy = "write" } key_prefix "m/results/" { policy = "write" }',
  );
  const as = (token?: string) => clientOn(t, { name: 's1', host: s1.host, port: s1.port, token });

  const full = as(cluster.token);
  t.deepEqual(await push(full, [queuedEvent('e1')]), ['queued']);
  t.is(await renewSession(full, await createSession(full, 's1')), true);

  const denied = async (work: () => Promise<unknown>, token: string, expected: RegExp) => {
    const error = await t.throwsAsync(work(), { instanceOf: PermissionError }, String(expected));
    const message = oneLine(t, error, String(expected));
    t.regex(message, expected);
    t.false(message.includes(token), 'the token is in the message');
    t.is(error?.exitCode, EXIT.failed);
  };
  const read = as(reader);
  t.is((await readQueue(read)).queue.length, 1);
  t.is((await snapshot(read)).runs.length, 0);
  const before = await api.kvTree('m/');
  await denied(() => push(read, [queuedEvent('e2')]), reader, /lacks key:write on "m\/results\/e2"/);
  await denied(() => read.put('m/k', 'x'), reader, /lacks key:write on "m\/k"/);
  await denied(() => read.delete('m/event_queue/e1'), reader, /lacks key:write on "m\/event_queue\/e1"/);
  await denied(() => createSession(read, 's1'), reader, /lacks session:write on node s1/);
  await denied(() => agentName(read), reader, /lacks agent:read/);
  // For the check that there is no result Consul asks for more than reading.
  await denied(() => push(as(half), [queuedEvent('e2')]), half, /lacks key:write on "m\/results\/e2"/);
  await denied(
    () => as(pusher).get('m/active/default/0'),
    pusher,
    /lacks key:read on "m\/active\/default\/0"/,
  );
  const wrong = '8f7cb6d2-0c3f-4d1f-9d57-1f5a1b4c2d3e';
  await denied(() => as(wrong).get('m/k'), wrong, /ACL not found/);
  await denied(() => as(wrong).txn([{ verb: 'set', key: 'm/k', value: 'x' }]), wrong, /ACL not found/);
  t.deepEqual(await api.kvTree('m/'), before);
  t.deepEqual(await push(as(pusher), [queuedEvent('e1'), queuedEvent('e2')]), ['known', 'queued']);
});

test('an error does not carry the token where it is printed', async (t) => {
  const node = await rawServer(t, (socket) => socket.destroy());
  const client = clientOn(t, { ...node, token: 'very-secret-token' });
  for (const [name, call] of Object.entries(CALLS)) {
    const error = await t.throwsAsync(call(client), { instanceOf: UnreachableError }, name);
    t.false(inspect(error, { depth: 3 }).includes('very-secret-token'), name);
  }
});

test('with https where http is spoken, the hint is another', async (t) => {
  const store = openStore(t);
  const { address } = store.client;
  const port = Number(new URL(address).port);
  const client = clientOn(t, { name: 'n1', host: '127.0.0.1', port }, { protocol: 'https' });
  const error = await t.throwsAsync(client.get('k'), { instanceOf: UnreachableError });
  oneLine(t, error, 'https');
  t.throws(
    () =>
      openClient(
        testConfig(
          { name: 'n1', host: '127.0.0.1', port },
          { prefix: 'm/', stateDir: '/x', protocol: 'https', caCert: '/no/such/file' },
        ),
      ),
    { instanceOf: InputError, message: /ca-cert \/no\/such\/file cannot be read/ },
  );
});
