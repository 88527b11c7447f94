import { KEYS, type Key, SECRET } from '../config/values.js';
import { EXIT, type ExitCode } from '../errors.js';
import type { Invocation } from './types.js';

/** Every key with its value and where that came from; secrets are named, never shown. */
export async function run({ config, sources, flags, io }: Invocation): Promise<ExitCode> {
  const values = config as unknown as Readonly<Record<string, unknown>>;
  const rows = (Object.entries(KEYS) as [Key, (typeof KEYS)[Key]][]).map(([key, [property]]) => {
    const value = values[property];
    const times = key === 'tick-interval' || key === 'stop-timeout';
    return {
      key,
      value:
        value === undefined
          ? null
          : SECRET.has(key)
            ? '[hidden]'
            : times
              ? `${Number(value) / 1000}s`
              : (value as string | number | boolean | readonly string[]),
      source: value === undefined ? 'not set' : (sources[key] ?? 'default'),
    };
  });
  const variables = Object.entries(config.variables).map(([name, value]) => ({
    name,
    // Nobody says which of them is a password.
    value: flags['show-variables'] ? value : '[hidden]',
    source: sources[`var.${name}`] ?? 'default',
  }));
  if (flags.json) {
    io.out(`${JSON.stringify({ settings: rows, variables }, null, 2)}\n`);
    return EXIT.done;
  }
  const text = (value: string | number | boolean | readonly string[] | null) =>
    value === null ? '' : typeof value === 'object' ? value.join(',') : value === '' ? '""' : `${value}`;
  const lines = [
    ...rows.map(({ key, value, source }) => [key, text(value), source] as const),
    ...variables.map(({ name, value, source }) => [`var.${name}`, value, source] as const),
  ];
  const width = (at: 0 | 1) => Math.min(44, Math.max(...lines.map((line) => line[at].length)));
  for (const [key, value, source] of lines)
    io.out(`${key.padEnd(width(0))}  ${value.padEnd(width(1))}  ${source}\n`);
  return EXIT.done;
}
