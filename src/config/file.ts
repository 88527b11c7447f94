import { didYouMean } from './nearest.js';
import type { ConfigProblem } from '../config.js';

/** One key of a flat file: its value as it is written (a list joined by commas), and where both stand. */
export interface Entry {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

export interface FlatFile {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads a file of `key: value` lines (YAML, one level), as config.yml and variables.yml are. Values are kept as
 * they are written, so that `1.10` stays `1.10`. A list is allowed under the keys of `lists`. With `known`,
 * any other key is an error. All problems at once. The parser is loaded only here: most nodes' handlers
 * have such a file, but help, version and completion need none.
 */
export async function readFlat(
  text: string,
  file: string,
  options: { known?: readonly string[]; lists?: readonly string[] } = {},
): Promise<FlatFile> {
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } = await import('yaml');
  const counter = new LineCounter();
  const source = text.replace(/^\uFEFF/, '');
  const problems: ConfigProblem[] = [];
  const entries = new Map<string, Entry>();
  const at = (offset: number) => {
    const { line, col } = counter.linePos(offset);
    return { file, line, column: col };
  };
  const add = (offset: number, path: string, message: string, hint?: string) =>
    problems.push({
      place: at(offset),
      severity: 'error',
      path,
      message,
      ...(hint === undefined ? {} : { hint }),
    });

  let document: ReturnType<typeof parseDocument>;
  try {
    document = parseDocument(source, {
      lineCounter: counter,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'error',
    });
  } catch {
    // Only nesting that exhausts the stack comes here.
    add(0, '', 'expected "key: value" lines, found something nested too deeply to read');
    return { entries, problems };
  }
  for (const error of document.errors)
    add(error.pos[0], '', `not YAML: ${error.message.replace(/\s+/g, ' ')}`);
  if (problems.length > 0) return { entries, problems };
  const top = document.contents;
  if (top === null || (isScalar(top) && top.value === null)) return { entries, problems };
  if (!isMap(top)) {
    add(top.range?.[0] ?? 0, '', 'expected "key: value" lines');
    return { entries, problems };
  }

  const textOf = (node: unknown): string | undefined => {
    const real = isAlias(node) ? node.resolve(document) : node;
    if (!isScalar(real)) return undefined;
    if (real.value === null) return '';
    return typeof real.value === 'string' ? real.value : (real.source ?? JSON.stringify(real.value));
  };
  for (const { key, value } of top.items) {
    const name = textOf(key);
    const keyAt = (isScalar(key) ? key.range?.[0] : undefined) ?? 0;
    if (name === undefined || name === '') {
      add(keyAt, '', 'expected a name before the colon');
    } else if (options.known !== undefined && !options.known.includes(name)) {
      add(
        keyAt,
        name,
        `unknown key "${name}"`,
        didYouMean(name, options.known) ?? `known are: ${options.known.join(', ')}`,
      );
    } else if (entries.has(name)) {
      add(keyAt, name, `the key "${name}" stands twice; it stood on line ${entries.get(name)?.line} already`);
    } else {
      const node = isAlias(value) ? value.resolve(document) : value;
      const range = (value as { range?: readonly number[] | null } | null)?.range;
      const place = at(range?.[0] ?? keyAt);
      const list = isSeq(node) && options.lists?.includes(name) ? node.items.map(textOf) : undefined;
      const single = list === undefined ? (node === null ? '' : textOf(node)) : undefined;
      const all = list ?? [single];
      if (all.some((item) => item === undefined)) {
        add(
          range?.[0] ?? keyAt,
          name,
          `${name}: expected ${options.lists?.includes(name) ? 'a text or a list of texts' : 'a text'}, found a ${isMap(node) ? 'map' : 'list'}`,
        );
      } else {
        entries.set(name, { text: all.join(','), line: place.line, column: place.column });
      }
    }
  }
  return { entries, problems };
}
