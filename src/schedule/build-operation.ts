import {
  durationOf,
  entriesOf,
  flagOf,
  get,
  itemsOf,
  numberOf,
  numbersOf,
  passingOf,
  type Reader,
  record,
  textOf,
  textsOf,
} from './read.js';
import type { Branch } from './tree.js';
import type { Operation, OperationOptions, WaitForOperation } from './types.js';

/** One operation, with the keys that it does not set itself taken from `default.<operation>`. */
export function buildOperation(item: Branch, defaults: Branch | undefined, reader: Reader): Operation {
  const [kind = '', own] = entriesOf(item)[0] ?? [];
  const fallback = get(defaults, kind);
  const key = (name: string) => get(own, name) ?? get(fallback, name);
  const text = (name: string) => textOf(key(name));
  const options: OperationOptions = {
    ...optional('retries', numberOf(key('retries'))),
    ...optional('retryDelay', durationOf(key('retry_delay'))),
    ...optional('retryBackoff', numberOf(key('retry_backoff'))),
    ...optional('successCodes', numbersOf(key('success_codes'))),
    place: reader.place(item.at),
  };
  switch (kind) {
    case 'execute':
      return {
        kind,
        ...optional('file', text('file')),
        arguments: textsOf(key('arguments')) ?? [],
        ...optional('script', text('script')),
        output: flagOf(key('output')) ?? true,
        ...options,
      };
    case 'service':
      return { kind, name: text('name') ?? '', action: text('action') ?? '', ...options };
    case 'consul-kvs':
      return {
        kind,
        action: text('action') as 'get' | 'put' | 'delete',
        key: text('key') ?? '',
        ...optional('value', text('value')),
        ...optional('name', text('name')),
        ...options,
      };
    case 'consul-event': {
      const filter = key('filter');
      return {
        kind,
        name: text('name') ?? '',
        filter: {
          ...optional('service', textOf(get(filter, 'service'))),
          ...optional('tag', textOf(get(filter, 'tag'))),
        },
        ...options,
      };
    }
    case 'chef':
      return {
        kind,
        runList: itemsOf(key('run_list')).map((entry) => entry.text ?? ''),
        configurations: (key('configurations')?.value ?? {}) as Record<string, unknown>,
        attributes: (key('attributes')?.value ?? {}) as Record<string, unknown>,
        attributeKeys: itemsOf(key('attribute_keys')).map((entry) => entry.text ?? ''),
        ...options,
      };
    case 'reboot':
      return {
        kind,
        ...optional('command', text('command')),
        ...optional('timeout', durationOf(key('timeout'))),
        ...options,
      };
    case 'wait-for':
      return {
        kind,
        target: buildTarget(own, fallback),
        ...optional('timeout', durationOf(key('timeout'))),
        ...optional('interval', durationOf(key('interval'))),
        ...options,
      };
    case 'http':
      return {
        kind,
        url: text('url') ?? '',
        method: (text('method') ?? 'GET').toUpperCase(),
        headers: record(entriesOf(key('headers')).map(([name, value]) => [name, value.text ?? ''])),
        ...optional('body', text('body')),
        status: numbersOf(key('status')) ?? [],
        ...optional('timeout', durationOf(key('timeout'))),
        ...options,
      };
    default:
      return { kind: 'echo', message: own?.text ?? '', ...options };
  }
}

/** `host:port`, `[::1]:port`, `:port` or a port alone; undefined for anything else. */
export function parseTcp(text: string): { host: string; port: number } | undefined {
  const match = /^(?:(?<host>\[[^\]]+\]|[^:\s]*):)?(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.port ?? 0);
  if (port < 1 || port > 65_535) return undefined;
  const host = match?.groups?.host ?? '';
  return { host: host === '' ? '127.0.0.1' : host.replace(/^\[(.*)\]$/, '$1'), port };
}

function buildTarget(own: Branch | undefined, fallback: Branch | undefined): WaitForOperation['target'] {
  // The operation says what it waits for; defaults only fill in when it says nothing of it.
  const source = ['tcp', 'http', 'service'].some((name) => get(own, name) !== undefined) ? own : fallback;
  const tcp = get(source, 'tcp');
  if (tcp !== undefined) {
    const parsed = tcp.text === undefined ? undefined : parseTcp(tcp.text);
    return {
      tcp: parsed ?? { host: textOf(get(tcp, 'host')) ?? '127.0.0.1', port: numberOf(get(tcp, 'port')) ?? 0 },
    };
  }
  const http = get(source, 'http');
  if (http !== undefined) {
    return {
      http: {
        url: http.text ?? textOf(get(http, 'url')) ?? '',
        status: numbersOf(get(http, 'status')) ?? [],
      },
    };
  }
  const service = get(source, 'service');
  return {
    service: {
      name: service?.text ?? textOf(get(service, 'name')) ?? '',
      ...optional('tag', textOf(get(service, 'tag'))),
      passing: passingOf(get(service, 'passing')),
    },
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}
