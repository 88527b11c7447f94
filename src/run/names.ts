/**
 * Names that come from outside, checked before they become part of a key, a path or an argument.
 */

/** Bytes; Consul itself takes longer keys, but nobody names a node so. */
const LONGEST = 128;

/**
 * What is wrong with a name of an event, a node, a task or a pattern; undefined when nothing is.
 * No `/` (it would become another key), no `.` or `..` (another folder), no control characters
 * (they break lines of logs and terminals), not empty, at most 128 bytes.
 */
export function nameFault(name: unknown): string | undefined {
  if (typeof name !== 'string') return `expected a string, found ${name === null ? 'null' : typeof name}`;
  if (name === '') return 'is empty';
  if (name.includes('/')) return 'has a slash';
  if (name === '.' || name === '..') return `is "${name}"`;
  // oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(name)) return 'has a control character';
  if (/\p{Surrogate}/u.test(name)) return 'is not valid Unicode';
  if (utf8Length(name) > LONGEST) return `is longer than ${LONGEST} bytes`;
  return undefined;
}

/** As nameFault, for ids: letters, digits, `.`, `_`, `-` only, as in Consul's own UUIDs. */
export function idFault(id: unknown): string | undefined {
  const fault = nameFault(id);
  if (fault !== undefined) return fault;
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id as string)
    ? undefined
    : 'has characters other than letters, digits, ".", "_" and "-"';
}

/** A name as it may be shown in a message: quoted, control characters escaped, shortened. */
export function shown(name: unknown): string {
  const json = JSON.stringify(name) ?? String(name);
  // JSON leaves these as they are: C1 codes steer terminals, line separators break lines of logs.
  const text = json.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length > 80 ? `${text.slice(0, 77)}…"` : text;
}

function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}
