import { InputError } from '../errors.js';
import { shown } from '../run/names.js';

/** `--data k=v` pairs as a map. Keys become part of an environment variable's name; all together may take 64 KiB. */
export function parseData(value: unknown): Record<string, string> {
  const data: Record<string, string> = {};
  const pairs = Array.isArray(value) ? (value as string[]) : [];
  let bytes = 0;
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const key = at < 0 ? pair : pair.slice(0, at);
    if (at < 1) throw new InputError(`--data ${shown(pair)}: expected KEY=VALUE`);
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(key)) {
      throw new InputError(
        `--data ${shown(pair)}: a key has letters, digits, "_", "." and "-", and begins with a letter`,
      );
    }
    const text = pair.slice(at + 1);
    if (text.includes('\0')) throw new InputError(`--data ${shown(key)}: its value has a NUL byte`);
    data[key] = text;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(text);
  }
  if (bytes > 64 * 1024) throw new InputError(`--data: ${bytes} bytes in all; an event carries 64 KiB`);
  return data;
}
