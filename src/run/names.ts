/**
 * Names that come from outside, checked before they become part of a key, a path or an argument.
 */

import { nameFault } from '../schedule/names.js';

export { nameFault };

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
