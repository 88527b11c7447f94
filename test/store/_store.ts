/** A store below a prefix of its own, and the same keys by plain requests: the code under test is not its own witness. */
import type { ExecutionContext } from 'ava';
import { type Client, openClient } from '../../src/store/client.js';
import { type Address, consulApi, type ConsulApi, type KvEntry } from '../support/api.js';
import { freshPrefix, sharedCluster } from '../support/cluster.js';
import { testConfig } from '../support/config.js';

export interface Store {
  readonly prefix: string;
  readonly client: Client;
  /** Clients of four different agents, for races. */
  readonly clients: readonly Client[];
  readonly api: ConsulApi;
  /** Everything below the prefix with all its indexes and sessions. */
  tree(): Promise<KvEntry[]>;
  /** Key without the prefix -> parsed value. */
  documents(): Promise<Record<string, unknown>>;
  /** A key without the prefix; fails when there is none. */
  entry(key: string): Promise<KvEntry>;
  put(key: string, value: unknown): Promise<number>;
}

export function openOn(t: ExecutionContext, node: Address, prefix: string): Client {
  const client = openClient(testConfig(node, { prefix, stateDir: '/nonexistent' }));
  t.teardown(() => client.close());
  return client;
}

export function openStore(t: ExecutionContext): Store {
  const cluster = sharedCluster();
  const prefix = freshPrefix(t);
  const api = consulApi(cluster.node('s1'));
  const clients = ['n1', 'n2', 'n3', 'n4'].map((name) => openOn(t, cluster.node(name), prefix));
  const tree = () => api.kvTree(prefix);
  const entry = async (key: string) => {
    const found = await api.kvGet(prefix + key);
    if (found === null) throw new Error(`there is no key ${key}`);
    return found;
  };
  return {
    prefix,
    client: clients[0] as Client,
    clients,
    api,
    tree,
    entry,
    documents: async () =>
      Object.fromEntries(
        (await tree()).map(({ key, value }) => {
          let parsed: unknown = value;
          try {
            parsed = JSON.parse(value);
          } catch {
            // Slots and logs are plain text.
          }
          return [key.slice(prefix.length), parsed];
        }),
      ),
    put: async (key, value) => {
      // By a transaction: in an address `..` would be another key.
      const Value = typeof value === 'string' ? value : JSON.stringify(value);
      await api.txn([{ KV: { Verb: 'set', Key: prefix + key, Value } }]);
      const written = (await tree()).find((one) => one.key === prefix + key);
      if (written === undefined) throw new Error(`${key} was not written`);
      return written.modifyIndex;
    },
  };
}

/** Does it, and sees that nothing below the prefix has changed: no value, no index, no session. */
export async function unchanged<T>(t: ExecutionContext, store: Store, work: () => Promise<T>): Promise<T> {
  const before = await store.tree();
  const result = await work();
  t.deepEqual(await store.tree(), before);
  return result;
}

/** A session that ends with the test. Its lock delay is 0: what it held is free at once. */
export async function session(t: ExecutionContext, store: Store, name = 'test'): Promise<string> {
  const id = await store.api.createSession({ Name: name, TTL: '60s', LockDelay: '0s', Behavior: 'release' });
  t.teardown(() => store.api.destroySession(id));
  return id;
}

/** How many of the answers are true. */
export function winners(answers: readonly unknown[]): number {
  return answers.filter((answer) => answer === true).length;
}
