/** Bytes; Consul itself takes longer keys, but nobody names a node so. */
const LONGEST = 128;

/**
 * What is wrong with a name of an event, a node, a task, a service, a tag, a group or a pattern; undefined when nothing is.
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

function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}
