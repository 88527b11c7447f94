import { resolve } from 'node:path';
import { isIPv6 } from 'node:net';
import type { Config } from '../config.js';
import { readBoolean } from './flags.js';

/** What a text means as the value of a key, or what is wrong with it (`expected …`). */
export type Reading<T> = { readonly value: T } | { readonly fault: string };
type Reader<T> = (text: string, folder: string) => Reading<T>;

const value = <T>(it: T): Reading<T> => ({ value: it });
const fault = <T>(text: string): Reading<T> => ({ fault: text });

const boolean: Reader<boolean> = (text) => {
  const said = readBoolean(text);
  return said === undefined ? fault('expected true or false') : value(said);
};

const port: Reader<number> = (text) => {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= 65_535 ? value(number) : fault('expected a port, 1 to 65535');
};

const oneOf =
  <const T extends string>(...names: readonly T[]): Reader<T> =>
  (text) => {
    const found = names.find((name) => name === text);
    return found === undefined
      ? fault(`expected ${names.map((name) => `"${name}"`).join(' or ')}`)
      : value(found);
  };

const host: Reader<string> = (text) => {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  // isIPv6 compiles a regular expression that takes 5 ms of a short handler's life.
  if (bare.includes(':') && isIPv6(bare)) return value(bare);
  if (/:\d+$/.test(text))
    return fault('expected a host name or address without a port (the port is a key of its own)');
  return /^[A-Za-z0-9]([A-Za-z0-9._-]*)$/.test(text)
    ? value(text)
    : fault('expected a host name or an IP address');
};

const path: Reader<string> = (text, folder) =>
  text.includes('\0') ? fault('expected a path, without NUL') : value(resolve(folder, text));

const files: Reader<readonly string[]> = (text, folder) => {
  if (text.includes('\0')) return fault('expected paths, without NUL');
  const names = text.split(',').map((name) => name.trim());
  return value(names.filter((name) => name !== '').map((name) => resolve(folder, name)));
};

const text: Reader<string> = (it) =>
  /[\u0000-\u001f\u007f]/.test(it) ? fault('expected a text without control characters') : value(it);

const prefix: Reader<string> = (it) => {
  const path = it.endsWith('/') ? it : `${it}/`;
  const parts = path.slice(0, -1).split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || 'fault' in text(part, '')))
    return fault(
      'expected a path below the root of the store, such as "metronome/", without leading or double slash',
    );
  return value(path);
};

const node: Reader<string> = (it) =>
  it.includes('/') || it === '.' || it === '..' || Buffer.byteLength(it) > 128
    ? fault('expected the name of a node, without slash and at most 128 bytes long')
    : text(it, '');

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** ms of `90`, `90s`, `2m`, `1h`. */
const time: Reader<number> = (it) => {
  const match = /^(\d{1,6})([smh]?)$/.exec(it);
  return match === null
    ? fault('expected a number of seconds, or a time such as 90s, 2m or 1h')
    : value(Number(match[1]) * (UNITS[match[2] || 's'] ?? 1000));
};

/** Ticks follow the clock, so that an interval must fit a whole number of times into a minute, or an hour. */
const interval: Reader<number> = (it) => {
  const read = time(it, '');
  if ('fault' in read) return read;
  const seconds = read.value / 1000;
  const whole = seconds < 60 ? 60 % seconds === 0 : seconds % 60 === 0 && 3600 % seconds === 0;
  return seconds >= 1 && whole
    ? read
    : fault('expected a part of a minute or of an hour, such as 5s, 10s, 20s, 30s, 1m, 5m');
};

/** Key of the configuration file (and flag) -> the property it sets and how its text is read. */
export const KEYS = {
  host: ['host', host],
  port: ['port', port],
  protocol: ['protocol', oneOf('http', 'https')],
  token: ['token', text],
  'insecure-skip-verify': ['insecureSkipVerify', boolean],
  'ca-cert': ['caCert', path],
  'client-cert': ['clientCert', path],
  'client-key': ['clientKey', path],
  'proxy-host': ['proxyHost', host],
  'proxy-port': ['proxyPort', port],
  'no-proxy': ['noProxy', text],
  'service-manager': ['serviceManager', oneOf('init', 'systemd')],
  files: ['files', files],
  role: ['role', text],
  skippable: ['skippable', boolean],
  debug: ['debug', boolean],
  prefix: ['prefix', prefix],
  'state-dir': ['stateDir', path],
  node: ['node', node],
  'log-format': ['logFormat', oneOf('text', 'json')],
  'event-key': ['eventKey', text],
  'tick-interval': ['tickInterval', interval],
  'stop-timeout': ['stopTimeout', time],
  'http-port': ['httpPort', port],
} as const satisfies Readonly<Record<string, readonly [keyof Config, Reader<unknown>]>>;

export type Key = keyof typeof KEYS;

/** Never shown in a message. */
export const SECRET: ReadonlySet<string> = new Set(['token', 'event-key']);
