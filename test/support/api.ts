/**
 * Consul's HTTP API by plain requests, for tests: they must not see Consul through the code they test.
 */
export interface Address {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly token?: string | undefined;
}

export interface KvEntry {
  readonly key: string;
  readonly value: string;
  readonly session?: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
  readonly lockIndex: number;
  readonly flags: number;
}

interface RawKv {
  Key: string;
  Value: string | null;
  Session?: string;
  CreateIndex: number;
  ModifyIndex: number;
  LockIndex: number;
  Flags: number;
}

export interface TxnAnswer {
  /** False: a conflict (409); nothing was written. */
  readonly ok: boolean;
  readonly errors: readonly { OpIndex: number; What: string }[];
  readonly results: readonly unknown[];
}

/** `{KV: {Verb: 'set', Key, Value}}`, where Value is plain text: it is encoded here. */
export interface TxnOperation {
  readonly KV: {
    readonly Verb: string;
    readonly Key: string;
    readonly Value?: string;
    readonly Index?: number;
    readonly Session?: string;
  };
}

export interface UserEvent {
  readonly ID: string;
  readonly Name: string;
  readonly Payload: string | null;
  readonly LTime: number;
}

export interface SessionInfo {
  readonly ID: string;
  readonly Name: string;
  readonly Node: string;
  readonly TTL: string;
  readonly Behavior: string;
  readonly LockDelay: number;
}

export interface CatalogEntry {
  readonly Node: string;
  readonly ServiceID: string;
  readonly ServiceName: string;
  readonly ServiceTags: readonly string[];
  readonly ServicePort: number;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export class ConsulAnswer extends Error {
  override readonly name = 'ConsulAnswer';
  constructor(
    readonly status: number,
    what: string,
    readonly body: string,
  ) {
    super(`${what}: ${status} ${body.trim()}`);
  }
}

export interface ConsulApi {
  /** Any path below /v1/; parsed JSON, or throws ConsulAnswer. */
  request<T>(method: string, path: string, options?: { query?: Query; body?: unknown }): Promise<T>;
  kvGet(key: string): Promise<KvEntry | null>;
  kvPut(key: string, value: string, query?: Query): Promise<boolean>;
  kvTree(prefix: string): Promise<KvEntry[]>;
  /** The tree as key -> text, keys without the prefix. */
  kvTexts(prefix: string): Promise<Record<string, string>>;
  kvKeys(prefix: string, separator?: string): Promise<string[]>;
  kvDelete(key: string): Promise<void>;
  kvDeleteTree(prefix: string): Promise<void>;
  txn(operations: readonly TxnOperation[]): Promise<TxnAnswer>;
  fireEvent(
    name: string,
    payload?: string,
    filter?: { service?: string; tag?: string; node?: string },
  ): Promise<string>;
  events(name?: string): Promise<UserEvent[]>;
  sessions(node?: string): Promise<SessionInfo[]>;
  createSession(options?: Record<string, unknown>): Promise<string>;
  destroySession(id: string): Promise<void>;
  service(name: string, tag?: string): Promise<CatalogEntry[]>;
  /** Node name -> status of its serfHealth check. */
  members(): Promise<Record<string, string>>;
  leader(): Promise<string>;
}

const encode = (key: string) => key.split('/').map(encodeURIComponent).join('/');

function entry(raw: RawKv): KvEntry {
  return {
    key: raw.Key,
    value: raw.Value === null ? '' : Buffer.from(raw.Value, 'base64').toString('utf8'),
    ...(raw.Session === undefined ? {} : { session: raw.Session }),
    createIndex: raw.CreateIndex,
    modifyIndex: raw.ModifyIndex,
    lockIndex: raw.LockIndex,
    flags: raw.Flags,
  };
}

export function consulApi(node: Address): ConsulApi {
  async function send(
    method: string,
    path: string,
    query: Query = {},
    body?: string,
  ): Promise<{ status: number; text: string }> {
    const url = new URL(`http://${node.host}:${node.port}/v1/${path}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== false)
        url.searchParams.set(name, value === true ? '' : String(value));
    }
    const answer = await fetch(url, {
      method,
      ...(body === undefined ? {} : { body }),
      headers: node.token === undefined ? {} : { 'X-Consul-Token': node.token },
    });
    return { status: answer.status, text: await answer.text() };
  }

  async function request<T>(
    method: string,
    path: string,
    { query, body }: { query?: Query; body?: unknown } = {},
  ): Promise<T> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await send(method, path, query, text);
    if (answer.status !== 200)
      throw new ConsulAnswer(answer.status, `${method} /v1/${path} on ${node.name}`, answer.text);
    return (answer.text === '' ? undefined : JSON.parse(answer.text)) as T;
  }

  /** What is missing is 404 here, and nothing wrong. */
  async function requestOr<T>(fallback: T, path: string, query: Query): Promise<T> {
    try {
      return await request<T>('GET', path, { query });
    } catch (error) {
      if (error instanceof ConsulAnswer && error.status === 404) return fallback;
      throw error;
    }
  }

  const tree = async (prefix: string) =>
    (await requestOr<RawKv[]>([], `kv/${encode(prefix)}`, { recurse: true, consistent: true })).map(entry);

  return {
    request,
    kvGet: async (key) => {
      const [first] = await requestOr<RawKv[]>([], `kv/${encode(key)}`, { consistent: true });
      return first === undefined ? null : entry(first);
    },
    kvPut: (key, value, query = {}) => request<boolean>('PUT', `kv/${encode(key)}`, { query, body: value }),
    kvTree: tree,
    kvTexts: async (prefix) =>
      Object.fromEntries((await tree(prefix)).map(({ key, value }) => [key.slice(prefix.length), value])),
    kvKeys: (prefix, separator) =>
      requestOr<string[]>([], `kv/${encode(prefix)}`, { keys: true, separator, consistent: true }),
    kvDelete: async (key) => void (await request('DELETE', `kv/${encode(key)}`)),
    kvDeleteTree: async (prefix) =>
      void (await request('DELETE', `kv/${encode(prefix)}`, { query: { recurse: true } })),
    txn: async (operations) => {
      const body = operations.map(({ KV }) => ({
        KV: KV.Value === undefined ? KV : { ...KV, Value: Buffer.from(KV.Value).toString('base64') },
      }));
      const answer = await send('PUT', 'txn', {}, JSON.stringify(body));
      if (answer.status !== 200 && answer.status !== 409)
        throw new ConsulAnswer(answer.status, 'PUT /v1/txn', answer.text);
      const parsed = JSON.parse(answer.text) as {
        Results: unknown[] | null;
        Errors: { OpIndex: number; What: string }[] | null;
      };
      return { ok: answer.status === 200, errors: parsed.Errors ?? [], results: parsed.Results ?? [] };
    },
    fireEvent: async (name, payload, filter = {}) =>
      (
        await request<UserEvent>('PUT', `event/fire/${encodeURIComponent(name)}`, {
          query: filter,
          ...(payload === undefined ? {} : { body: payload }),
        })
      ).ID,
    events: (name) => request<UserEvent[]>('GET', 'event/list', { query: { name } }),
    sessions: (name) =>
      request<SessionInfo[]>('GET', name === undefined ? 'session/list' : `session/node/${name}`),
    createSession: async (options = {}) =>
      (await request<{ ID: string }>('PUT', 'session/create', { body: options })).ID,
    destroySession: async (id) => void (await request('PUT', `session/destroy/${id}`)),
    service: (name, tag) =>
      request<CatalogEntry[]>('GET', `catalog/service/${encodeURIComponent(name)}`, { query: { tag } }),
    members: async () => {
      const checks = await request<{ Node: string; CheckID: string; Status: string }[]>(
        'GET',
        'health/state/any',
      );
      return Object.fromEntries(
        checks.filter(({ CheckID }) => CheckID === 'serfHealth').map(({ Node, Status }) => [Node, Status]),
      );
    },
    leader: () => request<string>('GET', 'status/leader'),
  };
}
