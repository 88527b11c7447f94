// As much of a Consul agent's HTTP API as a handler needs to come through one event, in memory, for one node that has
// the service `one`. For the build alone, which lets the program run once so that V8 can keep what it compiled: tests
// and the demo run a real Consul.
import { createServer } from 'node:http';

const NODE = 'build';

/** @returns {Promise<{ port: number, close(): void }>} */
export async function startConsul() {
  const kv = new Map();
  let index = 1;

  const entry = (key) => ({ LockIndex: 0, Key: key, Flags: 0, ...kv.get(key) });
  const below = (prefix) => [...kv.keys()].filter((key) => key.startsWith(prefix));
  function set({ Key, Value, Flags = 0, Session }) {
    const CreateIndex = kv.get(Key)?.CreateIndex ?? index;
    kv.set(Key, { Value, Flags, CreateIndex, ModifyIndex: index, ...(Session ? { Session } : {}) });
    return [{ KV: { ...entry(Key), Value: null } }];
  }
  const verbs = {
    set,
    lock: set,
    cas: set,
    unlock: ({ Session: _, ...rest }) => set(rest),
    get: ({ Key }) => (kv.has(Key) ? [{ KV: entry(Key) }] : undefined),
    'get-tree': ({ Key }) => below(Key).map((key) => ({ KV: entry(key) })),
    delete: ({ Key }) => (kv.delete(Key), []),
    'delete-cas': ({ Key }) => (kv.delete(Key), []),
    'delete-tree': ({ Key }) => (below(Key).forEach((key) => kv.delete(key)), []),
    'check-index': ({ Key, Index }) => (kv.get(Key)?.ModifyIndex === Index ? [] : undefined),
    'check-session': ({ Key, Session }) => (kv.get(Key)?.Session === Session ? [] : undefined),
    'check-not-exists': ({ Key }) => (kv.has(Key) ? undefined : []),
  };

  function transact(operations) {
    const before = new Map(kv);
    index += 1;
    const results = [];
    for (const [at, { KV }] of operations.entries()) {
      const result = verbs[KV.Verb]?.(KV);
      if (result === undefined) {
        kv.clear();
        for (const [key, value] of before) kv.set(key, value);
        return { status: 409, body: { Results: null, Errors: [{ OpIndex: at, What: 'refused' }] } };
      }
      results.push(...result);
    }
    return { status: 200, body: { Results: results, Errors: null } };
  }

  const service = { ID: 'one', Service: 'one', Tags: ['a'], Meta: {}, Port: 0, Address: '' };
  const healthy = [
    { Node: { Node: NODE }, Service: service, Checks: [{ CheckID: 'serfHealth', Status: 'passing' }] },
  ];

  function answer(method, path, query, text) {
    if (path === 'agent/self') return { body: { Config: { NodeName: NODE } } };
    if (path === 'agent/services') return { body: { one: service } };
    if (path.startsWith('health/service/')) return { body: healthy };
    if (path === 'session/create') return { body: { ID: 'b0000000-0000-4000-8000-000000000001' } };
    if (path.startsWith('session/'))
      return { body: path.includes('destroy') ? true : [{ ID: path.split('/')[2] }] };
    if (path === 'txn') return transact(JSON.parse(text));
    if (path.startsWith('catalog/')) return { body: [{ Node: NODE, ServiceTags: ['a'] }] };
    if (!path.startsWith('kv/')) return { status: 404, body: [] };
    const key = decodeURIComponent(path.slice(3));
    if (method === 'PUT') {
      index += 1;
      set({ Key: key, Value: Buffer.from(text).toString('base64') });
      return { body: true };
    }
    if (method === 'DELETE') return { body: kv.delete(key) };
    const keys = query.has('recurse') || query.has('keys') ? below(key) : [key].filter((one) => kv.has(one));
    if (keys.length === 0) return { status: 404, body: [] };
    return { body: query.has('keys') ? keys : keys.map(entry) };
  }

  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const url = new URL(request.url, 'http://localhost');
    const { status = 200, body } = answer(request.method, url.pathname.slice(4), url.searchParams, text);
    response.writeHead(status, { 'content-type': 'application/json', 'x-consul-index': index });
    response.end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
