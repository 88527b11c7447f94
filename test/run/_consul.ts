/**
 * Consul's key/value store as far as runs need it, in memory: indexes, sessions that lock keys, and
 * transactions that check and change all or nothing. It can conflict, so races over it are real ones;
 * whether Consul itself behaves so is tested on a real one (test/store).
 */
export type Op =
  | { readonly verb: 'check-not-exists' | 'delete' | 'delete-tree'; readonly key: string }
  | { readonly verb: 'check-index'; readonly key: string; readonly index: number }
  | { readonly verb: 'check-session'; readonly key: string; readonly session: string }
  | { readonly verb: 'set'; readonly key: string; readonly value: unknown }
  | { readonly verb: 'cas'; readonly key: string; readonly value: unknown; readonly index: number }
  | { readonly verb: 'lock'; readonly key: string; readonly value: unknown; readonly session: string };

export interface Entry {
  readonly key: string;
  readonly value: unknown;
  readonly created: number;
  readonly modified: number;
  readonly session?: string;
}

export interface Answer {
  readonly ok: boolean;
  /** Places of the operations that failed. */
  readonly failed: readonly number[];
  readonly index: number;
}

export class Consul {
  index = 1;
  readonly entries = new Map<string, Entry>();
  readonly sessions = new Set<string>();
  #made = 0;

  get(key: string): Entry | undefined {
    return this.entries.get(key);
  }

  tree(prefix: string): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.key.startsWith(prefix));
  }

  createSession(): string {
    this.#made += 1;
    const session = `session-${this.#made}`;
    this.sessions.add(session);
    return session;
  }

  /** Ends a session; with `behavior: release` its keys stay and are free, and their index grows. */
  destroySession(session: string): void {
    if (!this.sessions.delete(session)) return;
    this.index += 1;
    for (const entry of this.entries.values()) {
      if (entry.session !== session) continue;
      const { session: _, ...free } = entry;
      this.entries.set(entry.key, { ...free, modified: this.index });
    }
  }

  txn(ops: readonly Op[]): Answer {
    const index = this.index + 1;
    const before = new Map<string, Entry | undefined>();
    const put = (key: string, entry: Entry | undefined) => {
      if (!before.has(key)) before.set(key, this.entries.get(key));
      if (entry === undefined) this.entries.delete(key);
      else this.entries.set(key, entry);
    };
    // Consul looks at every operation, also after one has failed, and names all that failed.
    const failed = ops.flatMap((op, at) => (this.#apply(op, index, put) ? [] : [at]));
    if (failed.length > 0) {
      for (const [key, entry] of before) {
        if (entry === undefined) this.entries.delete(key);
        else this.entries.set(key, entry);
      }
      return { ok: false, failed, index: this.index };
    }
    this.index = index;
    return { ok: true, failed, index };
  }

  #apply(op: Op, index: number, put: (key: string, entry: Entry | undefined) => void): boolean {
    const entry = this.entries.get(op.key);
    const written = (value: unknown, session = entry?.session): Entry => ({
      key: op.key,
      value,
      created: entry?.created ?? index,
      modified: index,
      ...(session === undefined ? {} : { session }),
    });
    switch (op.verb) {
      case 'check-not-exists':
        return entry === undefined;
      case 'check-index':
        return entry?.modified === op.index;
      case 'check-session':
        return entry?.session === op.session;
      case 'set':
        put(op.key, written(op.value));
        return true;
      case 'cas':
        if ((entry?.modified ?? 0) !== op.index) return false;
        put(op.key, written(op.value));
        return true;
      case 'lock':
        if (!this.sessions.has(op.session)) return false;
        if (entry?.session !== undefined && entry.session !== op.session) return false;
        put(op.key, written(op.value, op.session));
        return true;
      case 'delete':
        put(op.key, undefined);
        return true;
      case 'delete-tree':
        for (const { key } of this.tree(op.key)) put(key, undefined);
        return true;
    }
  }
}
