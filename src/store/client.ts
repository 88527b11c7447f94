/**
 * The only importer of `consul`. Turns its quirks into types: a lost compare-and-set is an outcome, not
 * an exception; what Consul refuses or fails to answer is an error that says so in one line.
 */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
// As a whole: the bundle loads it late, and a part of it would be looked up at once (deploy/build.mjs).
import https, { type Agent as HttpsAgent } from 'node:https';
import Consul from 'consul';
import type { Config } from '../config.js';
import { InputError, messageOf, MetronomeError, PermissionError, UnreachableError } from '../errors.js';
import { type Keys, keysBelow } from './keys.js';

/** A key as Consul gives it, the value decoded. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
  readonly flags: number;
  /** The session that holds the key's lock. */
  readonly session?: string;
}

/** One operation of a transaction; values are plain text, encoded here. */
export type Op =
  | {
      readonly verb: 'get-tree' | 'delete' | 'delete-tree' | 'check-not-exists' | 'get';
      readonly key: string;
    }
  | { readonly verb: 'set'; readonly key: string; readonly value: string; readonly flags?: number }
  | {
      readonly verb: 'cas';
      readonly key: string;
      readonly value: string;
      readonly index: number;
      readonly flags?: number;
    }
  | { readonly verb: 'check-index' | 'delete-cas'; readonly key: string; readonly index: number }
  | {
      readonly verb: 'lock' | 'unlock';
      readonly key: string;
      readonly value: string;
      readonly session: string;
    }
  | { readonly verb: 'check-session'; readonly key: string; readonly session: string };

/** A conflict is an everyday outcome: somebody else was first. `failed` are the places of the operations that did not hold. */
export type TxnResult =
  | { readonly ok: true; readonly entries: readonly Entry[] }
  | { readonly ok: false; readonly failed: readonly number[]; readonly what: string };

/** Operations in one transaction at most, and bytes in its body (measured on Consul 1.8.7). */
export const TXN_OPS = 64;
export const TXN_BYTES = 512 * 1024;

/** The answer to a blocking query. */
export interface Watched<T> {
  readonly value: T;
  /** For the next query; 0 when Consul gave none. */
  readonly index: number;
  /** The same as Consul wrote it: of user events it is a hash of 64 bits, more than a number holds. */
  readonly mark: string;
}

export interface Client {
  readonly keys: Keys;
  /** What to say where Consul stands, for messages. */
  readonly address: string;
  get(key: string, options?: ReadOptions): Promise<Entry | undefined>;
  /** Everything below a prefix that ends with a slash. */
  tree(prefix: string, options?: ReadOptions): Promise<Entry[]>;
  /** The keys below a prefix; with a separator only up to the next one, as folders are listed. */
  keysBelow(prefix: string, separator?: string): Promise<string[]>;
  /** As `get` and `tree`, hanging until the index passes `index` or `wait` (ms) is over. */
  watchKey(key: string, options: WatchOptions): Promise<Watched<Entry | undefined>>;
  watchTree(prefix: string, options: WatchOptions): Promise<Watched<Entry[]>>;
  /** As `keysBelow`; wakes for each change below the prefix, of values too, and costs their names only. */
  watchKeys(prefix: string, options: WatchOptions): Promise<Watched<string[]>>;
  put(key: string, value: string, options?: { cas?: number; acquire?: string }): Promise<boolean>;
  delete(key: string): Promise<void>;
  /** One transaction: all operations or none. */
  txn(ops: readonly Op[]): Promise<TxnResult>;
  /** Reads several prefixes at one instant: a transaction of get-tree operations, which costs no raft write. */
  snapshot(prefixes: readonly string[]): Promise<Entry[]>;
  /**
   * Any other call of the `consul` package, with the errors translated.
   * @param needs the permission that Consul asks for it, e.g. `session:write on node n1`.
   */
  call<T>(
    what: string,
    fn: (consul: Consul, options: Record<string, unknown>) => Promise<unknown>,
    needs?: string,
  ): Promise<T>;
  /** A blocking query of any other endpoint. */
  watchCall<T>(
    what: string,
    options: WatchOptions,
    fn: (consul: Consul, options: Record<string, unknown>) => Promise<unknown>,
  ): Promise<Watched<T>>;
  close(): void;
}

export interface ReadOptions {
  /** Asks the leader to confirm that it still is: for reads that follow an own write to decide who is last. */
  readonly consistent?: boolean;
  readonly signal?: AbortSignal;
}

export interface WatchOptions {
  readonly index: number;
  /** ms */
  readonly wait: number;
  readonly signal?: AbortSignal;
}

/** ms; papi never resolves a response that is cut in its middle, so every request has a limit. */
const REQUEST_TIMEOUT = 10_000;

export function openClient(config: Config): Client {
  const secure = config.protocol === 'https';
  const consul = new Consul({
    host: config.host,
    port: config.port,
    secure,
    ...(config.token === undefined ? {} : { defaults: { token: config.token } }),
    ...(secure ? { agent: tlsAgent(config) } : {}),
  });
  const address = `${config.protocol}://${config.host}:${config.port}`;

  async function call<T>(
    what: string,
    fn: (consul: Consul, options: Record<string, unknown>) => Promise<unknown>,
    needs?: string,
  ): Promise<T> {
    try {
      return (await fn(consul, { timeout: REQUEST_TIMEOUT })) as T;
    } catch (error) {
      throw translate(error, what, address, needs);
    }
  }

  async function watchCall<T>(
    what: string,
    options: WatchOptions,
    fn: (consul: Consul, options: Record<string, unknown>) => Promise<unknown>,
  ): Promise<Watched<T>> {
    const ctx = Object.assign(new EventEmitter(), { includeResponse: true });
    const abort = () => ctx.emit('cancel');
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      // Consul adds up to a sixteenth to `wait`.
      const timeout = options.wait + options.wait / 16 + REQUEST_TIMEOUT;
      const query = {
        ctx,
        timeout,
        wait: `${Math.max(1, Math.round(options.wait))}ms`,
        ...(options.index > 0 ? { index: options.index } : {}),
      };
      const [response, value] = (await fn(consul, query)) as [
        { headers: Record<string, string> } | undefined,
        T,
      ];
      const mark = response?.headers['x-consul-index'] ?? '';
      return { value, index: Number(mark || 0), mark };
    } catch (error) {
      options.signal?.throwIfAborted();
      throw translate(error, what, address);
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  const read = (options: ReadOptions | undefined) => (options?.consistent ? { consistent: true } : {});

  return {
    keys: keysBelow(config.prefix),
    address,
    call,
    watchCall,
    async get(key, options) {
      const item = await call<Item | undefined>(
        `read ${key}`,
        (c, o) => c.kv.get({ key, ...o, ...read(options) }),
        `key:read on "${key}"`,
      );
      return item === undefined ? undefined : entryOf(item);
    },
    async tree(prefix, options) {
      const items = await call<Item[] | undefined>(
        `read ${prefix}`,
        (c, o) => c.kv.get({ key: prefix, recurse: true, ...o, ...read(options) }),
        `key:read on "${prefix}"`,
      );
      return (items ?? []).map(entryOf);
    },
    async keysBelow(prefix, separator) {
      try {
        const folder = separator === undefined ? {} : { separator };
        return await call<string[]>(`list ${prefix}`, (c, o) => c.kv.keys({ key: prefix, ...folder, ...o }));
      } catch (error) {
        // Consul answers 404 where a listing is empty.
        if (isStatus(error, 404)) return [];
        throw error;
      }
    },
    async watchKey(key, options) {
      const seen = await watchCall<Item | undefined>(`watch ${key}`, options, (c, o) =>
        c.kv.get({ key, ...o }),
      );
      return { ...seen, value: seen.value === undefined ? undefined : entryOf(seen.value) };
    },
    async watchTree(prefix, options) {
      const seen = await watchCall<Item[] | undefined>(`watch ${prefix}`, options, (c, o) =>
        c.kv.get({ key: prefix, recurse: true, ...o }),
      );
      return { ...seen, value: (seen.value ?? []).map(entryOf) };
    },
    async watchKeys(prefix, options) {
      try {
        return await watchCall<string[]>(`watch ${prefix}`, options, (c, o) =>
          c.kv.keys({ key: prefix, ...o }),
        );
      } catch (error) {
        // An empty listing is a 404; its answer bears an index all the same.
        const mark = isStatus(error, 404) ? indexOf(error) : undefined;
        if (mark === undefined) throw error;
        return { value: [], index: Number(mark), mark };
      }
    },
    async put(key, value, options = {}) {
      const written = await call<boolean | undefined>(
        `write ${key}`,
        (c, o) => c.kv.set({ key, value, ...o, ...options }),
        `key:write on "${key}"`,
      );
      // A refusal arrives as undefined: the package takes the `false` in the answer for no answer.
      return written === true;
    },
    async delete(key) {
      await call(`delete ${key}`, (c, o) => c.kv.del({ key, ...o }), `key:write on "${key}"`);
    },
    async txn(ops) {
      return transact(call, ops, {});
    },
    async snapshot(prefixes) {
      const result = await transact(
        call,
        prefixes.map((key) => ({ verb: 'get-tree' as const, key })),
        { consistent: true },
      );
      if (!result.ok) throw new MetronomeError(`Consul did not read ${prefixes.join(', ')}: ${result.what}`);
      return [...result.entries];
    },
    close() {
      consul.destroy();
    },
  };
}

interface Item {
  Key: string;
  Value: string | null;
  CreateIndex: number;
  ModifyIndex: number;
  Flags: number;
  Session?: string;
}

function entryOf(item: Item): Entry {
  return {
    key: item.Key,
    value: item.Value ?? '',
    createIndex: item.CreateIndex,
    modifyIndex: item.ModifyIndex,
    flags: item.Flags,
    ...(item.Session === undefined ? {} : { session: item.Session }),
  };
}

async function transact(
  call: Client['call'],
  ops: readonly Op[],
  options: { consistent?: true },
): Promise<TxnResult> {
  if (ops.length > TXN_OPS)
    throw new Error(`a transaction of ${ops.length} operations; Consul takes ${TXN_OPS}`);
  const body = ops.map((op) => ({
    KV: {
      Verb: op.verb,
      Key: op.key,
      ...('value' in op ? { Value: Buffer.from(op.value).toString('base64') } : {}),
      ...('index' in op ? { Index: op.index } : {}),
      ...('session' in op ? { Session: op.session } : {}),
      ...('flags' in op && op.flags !== undefined ? { Flags: op.flags } : {}),
    },
  }));
  try {
    const answer = await call<{ Results: { KV: Item }[] | null }>('run a transaction', (c, o) =>
      // The types of the package know no options here; its code takes them.
      c.transaction.create(body as never, { ...o, ...options } as never),
    );
    const entries = (answer.Results ?? []).map(({ KV }) =>
      entryOf({
        ...KV,
        Value:
          KV.Value === null || KV.Value === undefined ? null : Buffer.from(KV.Value, 'base64').toString(),
      }),
    );
    return { ok: true, entries };
  } catch (error) {
    const errors = conflictsOf(error);
    if (errors === undefined) throw error;
    const denied = errors.find((one) => /permission denied/i.test(one.What));
    if (denied !== undefined) throw new PermissionError(deniedMessage(ops[denied.OpIndex]));
    return {
      ok: false,
      failed: errors.map((one) => one.OpIndex),
      what: errors.map((one) => one.What).join('; '),
    };
  }
}

function deniedMessage(op: Op | undefined): string {
  if (op === undefined) return 'the token lacks a permission for a transaction';
  // Consul asks for key:write where a transaction checks that a key does not exist.
  const reads = op.verb.startsWith('get') || op.verb === 'check-index' || op.verb === 'check-session';
  return `the token lacks key:${reads ? 'read' : 'write'} on "${op.key}"`;
}

function conflictsOf(error: unknown): { OpIndex: number; What: string }[] | undefined {
  if (!isStatus(error, 409)) return undefined;
  const cause = (error as Error).cause as { response?: { body?: unknown } };
  let body = cause.response?.body;
  if (Buffer.isBuffer(body)) body = JSON.parse(body.toString());
  const errors = (body as { Errors?: { OpIndex: number; What: string }[] | null } | undefined)?.Errors;
  return errors ?? [];
}

/** The HTTP status that lies behind a translated error. */
export function isStatus(error: unknown, status: number): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (cause as { response?: { statusCode?: number } } | undefined)?.response?.statusCode === status;
}

function indexOf(error: unknown): string | undefined {
  const cause = (error as Error).cause as { response?: { headers?: Record<string, string> } } | undefined;
  return cause?.response?.headers?.['x-consul-index'];
}

function translate(error: unknown, what: string, address: string, needs?: string): Error {
  if (error instanceof MetronomeError) return error;
  const response = (error as { response?: { statusCode: number; body?: unknown } }).response;
  // A good status with an error: the rest of the answer never came, or was cut.
  if (response === undefined || Math.floor(response.statusCode / 100) === 2) {
    const code = (error as { code?: string }).code ?? '';
    const tls = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL|EPROTO/.test(code);
    const hint = tls ? 'check ca-cert, client-cert and client-key' : 'is the Consul agent running there?';
    return new UnreachableError(`Consul at ${address} does not answer (${reasonOf(error)}): ${hint}`, {
      cause: error,
    });
  }
  const text = bodyText(response.body);
  if (response.statusCode === 403 || /permission denied|acl not found/i.test(text)) {
    return new PermissionError(
      `Consul refused to ${what}: the token lacks ${needs ?? 'the permission'}${text === '' ? '' : ` (${text})`}`,
      { cause: error },
    );
  }
  if (response.statusCode >= 500 || response.statusCode === 429) {
    return new UnreachableError(
      `Consul at ${address} could not ${what}: ${text || `status ${response.statusCode}`}`,
      { cause: error },
    );
  }
  if (response.statusCode === 413) {
    return new InputError(`Consul refused to ${what}: it is larger than Consul takes (512 KiB)`, {
      cause: error,
    });
  }
  return new MetronomeError(
    `Consul refused to ${what}: status ${response.statusCode} ${text}`.trim(),
    undefined,
    { cause: error },
  );
}

function bodyText(body: unknown): string {
  if (body === undefined || body === null) return '';
  const text = Buffer.isBuffer(body)
    ? body.toString()
    : typeof body === 'string'
      ? body
      : JSON.stringify(body);
  return text.replace(/\s+/g, ' ').trim().slice(0, 200);
}

/** `connect ECONNREFUSED 127.0.0.1:8500` without the package's `consul: kv.get:` before it. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const text = messageOf(error).replace(/^(consul: )?([a-zA-Z.]+: )?/, '');
  return text === '' ? ((error as { code?: string }).code ?? 'no answer') : text;
}

function tlsAgent(config: Config): HttpsAgent {
  const file = (path: string | undefined, what: string) => {
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      throw new InputError(`${what} ${path} cannot be read: ${messageOf(error)}`);
    }
  };
  const ca = file(config.caCert, 'ca-cert');
  const cert = file(config.clientCert, 'client-cert');
  const key = file(config.clientKey, 'client-key');
  return new https.Agent({
    keepAlive: true,
    rejectUnauthorized: !config.insecureSkipVerify,
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  });
}
