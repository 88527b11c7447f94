import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document } from 'yaml';
import { type Fault, fault, warning } from './fault.js';
import { didYouMean } from './nearest.js';

/** A value of the file with the places that messages need. Offsets count from the start of the text (UTF-16 units). */
export interface Branch {
  /** As plain data: string, number, boolean, null, array or a map without prototype. */
  readonly value: unknown;
  /** A scalar as it is written, so that `1.10` stays `1.10` where a text is wanted. */
  readonly text?: string;
  readonly at: number;
  /** Where its key stands; its own place in a list. */
  readonly keyAt: number;
  readonly entries?: ReadonlyMap<string, Branch>;
  readonly items?: readonly Branch[];
}

export interface Tree {
  /** Absent when the text is no YAML, or has nothing in it. */
  readonly root?: Branch;
  readonly faults: readonly Fault[];
  /** Line and column of an offset, from 1. */
  place(at: number): { readonly line: number; readonly column: number };
}

/** Values that aliases may add: a handful of lines can otherwise stand for billions. */
const MOST_FROM_ALIASES = 100_000;
const DEEPEST = 100;
/** Keys that no plain object can hold safely. */
const RESERVED = new Set(['__proto__', 'constructor', 'prototype']);

const SYNTAX: Readonly<Record<string, readonly [message: string, hint?: string]>> = {
  MULTIPLE_DOCS: ['a second document starts here: expected one document in a file', 'remove the "---"'],
  TAB_AS_INDENT: ['a tab in the indentation: YAML takes spaces only', 'replace the tab by spaces'],
};

/** Reads YAML 1.2 (with the merge key `<<` of 1.1) into plain data with places. Never throws. A BOM must be gone already. */
export function readTree(text: string): Tree {
  const place = placesIn(text);
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(text);
  let document: Document.Parsed | undefined;
  try {
    document = parseDocument(text, {
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'error',
    });
  } catch {
    // Only nesting that exhausts the stack comes here.
    return { faults: [fault(0, '', 'nested too deeply to read')], place };
  }
  if (control !== null) {
    const code = control[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    return { faults: [fault(control.index, '', `control character U+${code}: expected a text file`)], place };
  }
  const faults: Fault[] = [];
  const lines = new Set<number>();
  for (const error of document.errors) {
    // One slip makes several errors on its line; the first says what it is.
    const at = Math.min(error.pos[0], text.length);
    const { line } = place(at);
    if (lines.has(line)) continue;
    lines.add(line);
    const [message, hint] = SYNTAX[error.code] ?? [`not YAML: ${error.message.replace(/\s+/g, ' ')}`];
    faults.push(fault(at, '', message, hint));
  }
  if (faults.length > 0) return { faults, place };
  for (const { pos, message } of document.warnings)
    faults.push(warning(pos[0], '', message.replace(/\s+/g, ' ')));
  const walker = new Walker(place, faults);
  const root = walker.walk(document.contents, 0, '', 0);
  return root === undefined ? { faults, place } : { root, faults, place };
}

/**
 * Line and column of an offset. Not yaml's LineCounter: that one knows only the lines that the parser came to, and
 * it does not come to the end of every text.
 */
function placesIn(text: string): Tree['place'] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    const at = Math.min(Math.max(0, offset), text.length);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: at - (starts[low] ?? 0) + 1 };
  };
}

/** `events.configure.ordered_tasks[1]`; a name that is no word is quoted. */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  const word = /^[\w-]+$/.test(key);
  return word ? (path === '' ? key : `${path}.${key}`) : `${path}[${JSON.stringify(key)}]`;
}

class Walker {
  readonly #anchors = new Map<string, unknown>();
  /** Anchored nodes that are being expanded: one that meets itself has no end. */
  readonly #open = new Set<unknown>();
  #fromAliases = 0;
  #stopped = false;

  constructor(
    readonly place: Tree['place'],
    readonly faults: Fault[],
  ) {}

  /** `keyAt` is also the place of what has none of its own. */
  walk(node: unknown, keyAt: number, path: string, depth: number): Branch | undefined {
    const at = (node as { range?: readonly number[] | null } | null | undefined)?.range?.[0] ?? keyAt;
    if (this.#stopped) return undefined;
    if (depth > DEEPEST) {
      this.#stopped = true;
      this.faults.push(fault(at, path, `nested deeper than ${DEEPEST} levels`));
      return undefined;
    }
    if (this.#open.size > 0 && (this.#fromAliases += 1) > MOST_FROM_ALIASES) {
      this.#stopped = true;
      this.faults.push(
        fault(
          at,
          path,
          `aliases make more than ${MOST_FROM_ALIASES} values: expected a file without an alias bomb`,
        ),
      );
      return undefined;
    }
    if (isAlias(node)) return this.#expand(node.source, at, keyAt, path, depth);
    const anchor = (node as { anchor?: string } | null | undefined)?.anchor;
    if (anchor !== undefined && this.#open.size === 0) this.#anchors.set(anchor, node);
    if (isMap(node)) return this.#map(node.items, at, keyAt, path, depth);
    if (isSeq(node)) {
      const items = node.items.flatMap(
        (item, no) => this.walk(item, at, joinPath(path, no), depth + 1) ?? [],
      );
      // An item's own place is the better one: a list has no keys.
      const placed = items.map((item) => ({ ...item, keyAt: item.at }));
      return { value: placed.map((item) => item.value), at, keyAt, items: placed };
    }
    if (!isScalar(node)) return { value: null, text: '', at, keyAt };
    const text =
      typeof node.value === 'string'
        ? node.value
        : (node.source ?? (node.value === null ? '' : JSON.stringify(node.value)));
    if (text.includes('\0'))
      this.faults.push(fault(at, path, 'a NUL character: no command line and no variable can hold it'));
    if (/\p{Surrogate}/u.test(text))
      this.faults.push(fault(at, path, 'half of a surrogate pair: expected valid Unicode'));
    return { value: node.value, text: node.value === null ? '' : text, at, keyAt };
  }

  #expand(anchor: string, at: number, keyAt: number, path: string, depth: number): Branch | undefined {
    const target = this.#anchors.get(anchor);
    if (target === undefined) {
      this.faults.push(
        fault(
          at,
          path,
          `no anchor "&${anchor}" stands before this alias`,
          didYouMean(anchor, this.#anchors.keys()),
        ),
      );
      return undefined;
    }
    if (this.#open.has(target)) {
      this.faults.push(fault(at, path, `the alias "*${anchor}" stands within what it stands for`));
      return undefined;
    }
    this.#open.add(target);
    const branch = this.walk(target, keyAt, path, depth);
    this.#open.delete(target);
    return branch;
  }

  #map(
    pairs: readonly { key: unknown; value: unknown }[],
    at: number,
    keyAt: number,
    path: string,
    depth: number,
  ): Branch {
    const entries = new Map<string, Branch>();
    const merged: { readonly value: unknown; readonly at: number }[] = [];
    for (const { key, value } of pairs) {
      const own = (key as { range?: readonly number[] | null } | null)?.range?.[0] ?? at;
      const name = this.#key(key, own, path);
      if (name === undefined) continue;
      if (name === '<<' && isScalar(key) && key.type === 'PLAIN') {
        merged.push({ value, at: own });
        continue;
      }
      const inner = joinPath(path, name);
      const first = entries.get(name);
      if (first !== undefined) {
        const { line } = this.place(first.keyAt);
        this.faults.push(
          fault(own, inner, `the key "${name}" stands twice; it stood on line ${line} already`),
        );
        continue;
      }
      const branch = this.walk(value, own, inner, depth + 1);
      if (branch !== undefined) entries.set(name, branch);
    }
    for (const { value, at: own } of merged) this.#merge(value, own, entries, path, depth);
    const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (const [name, branch] of entries) plain[name] = branch.value;
    return { value: plain, at, keyAt, entries };
  }

  /** What `<<` brings in stands behind what the map says itself, and behind what came in before. */
  #merge(value: unknown, at: number, entries: Map<string, Branch>, path: string, depth: number): void {
    const branch = this.walk(value, at, joinPath(path, '<<'), depth + 1);
    if (branch === undefined) return;
    for (const source of branch.items ?? [branch]) {
      if (source.entries === undefined) {
        this.faults.push(
          fault(at, joinPath(path, '<<'), '<<: expected a map, or a list of maps, to merge in'),
        );
        return;
      }
      for (const [name, entry] of source.entries) if (!entries.has(name)) entries.set(name, entry);
    }
  }

  #key(key: unknown, at: number, path: string): string | undefined {
    const real = isAlias(key) ? this.#anchors.get(key.source) : key;
    const anchor = (real as { anchor?: string } | null)?.anchor;
    if (anchor !== undefined) this.#anchors.set(anchor, real);
    if (!isScalar(real) || real.value === null) {
      this.faults.push(fault(at, path, 'expected a name before the colon'));
      return undefined;
    }
    const name = typeof real.value === 'string' ? real.value : (real.source ?? JSON.stringify(real.value));
    if (!RESERVED.has(name)) return name;
    this.faults.push(fault(at, joinPath(path, name), `the name "${name}" is reserved and cannot be used`));
    return undefined;
  }
}
