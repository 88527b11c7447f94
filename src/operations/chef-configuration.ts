import { join } from 'node:path';
import type { Schedule } from '../schedule/types.js';
import { OperationFailure } from './operation.js';

/** What chef-solo is told unless `configurations` says otherwise. */
export function defaultConfiguration({
  folder,
  pattern,
}: Pick<Schedule, 'folder' | 'pattern'>): Record<string, unknown> {
  return {
    ssl_verify_mode: ':verify_peer',
    role_path: [join(folder, 'roles')],
    log_level: ':info',
    log_location: join(folder, 'logs', `${pattern}_chef-solo.log`),
    file_cache_path: join(folder, 'tmp', 'cache'),
    cookbook_path: [join(folder, 'cookbooks'), join(folder, 'site-cookbooks')],
  };
}

/** A chef configuration file: one `name value` a line, values as Ruby. */
export function rubyConfiguration(configuration: Readonly<Record<string, unknown>>): string {
  return Object.entries(configuration)
    .map(([name, value]) => {
      if (!/^[a-z_][A-Za-z0-9_]*$/.test(name))
        throw new OperationFailure(
          `was not run: ${JSON.stringify(name)} under configurations is no name of a chef setting`,
          { final: true },
        );
      return `${name} ${ruby(value, true)}\n`;
    })
    .join('');
}

/**
 * A value as Ruby source. A text that begins with `:` is a symbol; every other text is quoted so that
 * nothing in it is code. A map that stands alone gets parentheses: `name {` would begin a block.
 */
function ruby(value: unknown, alone = false): string {
  if (typeof value === 'string')
    return value.startsWith(':') && value.length > 1 ? symbol(value) : quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === null || value === undefined) return 'nil';
  if (Array.isArray(value)) return `[${value.map((item) => ruby(item)).join(', ')}]`;
  const entries = Object.entries(value).map(([key, item]) => `${ruby(key)} => ${ruby(item)}`);
  const hash = `{${entries.join(', ')}}`;
  return alone ? `(${hash})` : hash;
}

function symbol(text: string): string {
  return /^:[A-Za-z_][A-Za-z0-9_]*[?!]?$/.test(text) ? text : `:${doubleQuoted(text.slice(1))}`;
}

function quoted(text: string): string {
  return /[\u0000-\u001f\u007f]/.test(text)
    ? doubleQuoted(text)
    : `'${text.replace(/[\\']/g, (char) => `\\${char}`)}'`;
}

/** JSON's escapes are Ruby's; `#` begins what Ruby would run. */
function doubleQuoted(text: string): string {
  return JSON.stringify(text).replaceAll('#', '\\#').replaceAll('\u007f', '\\x7F');
}
