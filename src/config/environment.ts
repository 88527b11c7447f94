import { readBoolean } from './flags.js';
import type { Key } from './values.js';

/**
 * Keys that have a variable of ours, METRONOME_<KEY>: those that Consul's own variables do not speak of, for the
 * environment file of a service. `node` is none: tasks find METRONOME_NODE in their environment.
 */
const OWN: readonly Key[] = [
  'files',
  'role',
  'prefix',
  'state-dir',
  'service-manager',
  'skippable',
  'debug',
  'log-format',
  'event-key',
  'tick-interval',
  'stop-timeout',
  'http-port',
];

/** `state-dir` -> `METRONOME_STATE_DIR`. */
function variableOf(key: Key): string {
  return `METRONOME_${key.toUpperCase().replaceAll('-', '_')}`;
}

/** A value from the environment, as text for the reader of its key. */
export interface EnvironmentValue {
  readonly key: Key;
  readonly text: string;
  readonly variable: string;
}

/**
 * What Consul's environment variables say, as Consul's own tools read them, and ours; empty ones count as not set.
 * CONSUL_HTTP_TOKEN_FILE is left to the caller: it names a file.
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): {
  values: EnvironmentValue[];
  faults: { variable: string; message: string; hint?: string }[];
} {
  const values: EnvironmentValue[] = [];
  const faults: { variable: string; message: string; hint?: string }[] = [];
  const set = (key: Key, text: string, variable: string) => values.push({ key, text, variable });

  const ssl = env.CONSUL_HTTP_SSL;
  const wantsTls = ssl ? readBoolean(ssl) : undefined;
  if (ssl && wantsTls === undefined)
    faults.push({
      variable: 'CONSUL_HTTP_SSL',
      message: `expected true or false, found ${JSON.stringify(ssl)}`,
    });

  const address = env.CONSUL_HTTP_ADDR;
  if (address) {
    const parsed = parseAddress(address);
    if ('message' in parsed) faults.push({ variable: 'CONSUL_HTTP_ADDR', ...parsed });
    else {
      set('host', parsed.host, 'CONSUL_HTTP_ADDR');
      if (parsed.port !== undefined) set('port', parsed.port, 'CONSUL_HTTP_ADDR');
      // As in Consul: CONSUL_HTTP_SSL makes https of an http address.
      if (parsed.protocol !== undefined && wantsTls !== true)
        set('protocol', parsed.protocol, 'CONSUL_HTTP_ADDR');
    }
  }
  if (wantsTls === true) set('protocol', 'https', 'CONSUL_HTTP_SSL');

  const verify = env.CONSUL_HTTP_SSL_VERIFY;
  if (verify) {
    const checks = readBoolean(verify);
    if (checks === undefined)
      faults.push({
        variable: 'CONSUL_HTTP_SSL_VERIFY',
        message: `expected true or false, found ${JSON.stringify(verify)}`,
      });
    else set('insecure-skip-verify', String(!checks), 'CONSUL_HTTP_SSL_VERIFY');
  }
  for (const [variable, key] of [
    ['CONSUL_HTTP_TOKEN', 'token'],
    ['CONSUL_CACERT', 'ca-cert'],
    ['CONSUL_CLIENT_CERT', 'client-cert'],
    ['CONSUL_CLIENT_KEY', 'client-key'],
  ] as const) {
    const text = env[variable];
    if (text) set(key, text, variable);
  }
  for (const key of OWN) {
    const variable = variableOf(key);
    const text = env[variable];
    if (text) set(key, text, variable);
  }
  return { values, faults };
}

/** `host`, `host:port`, `[::1]:8500`, `http://host:port`, `https://…`; a socket path is refused. */
function parseAddress(
  address: string,
): { host: string; port?: string; protocol?: string } | { message: string; hint?: string } {
  const found = `found ${JSON.stringify(address)}`;
  if (/^unix:/i.test(address))
    return {
      message: `expected host:port or an http(s) address, ${found}: Unix sockets are not supported`,
      hint: 'let the Consul agent listen on 127.0.0.1 too (addresses.http), and set CONSUL_HTTP_ADDR to 127.0.0.1:8500',
    };
  const match =
    /^(?:(?<protocol>https?):\/\/)?(?<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::(?<port>\d+))?\/?$/i.exec(
      address,
    );
  if (match?.groups?.host === undefined)
    return { message: `expected host:port or an http(s) address, ${found}` };
  const protocol = match.groups.protocol?.toLowerCase();
  // With a scheme and no port it is the scheme's own port, as for Consul's tools.
  const port =
    match.groups.port ?? (protocol === undefined ? undefined : protocol === 'https' ? '443' : '80');
  return {
    host: match.groups.host,
    ...(port === undefined ? {} : { port }),
    ...(protocol === undefined ? {} : { protocol }),
  };
}
