import { parseTcp } from './build-operation.js';
import { type Fault, fault, missing, warning } from './fault.js';
import { didYouMean } from './nearest.js';
import { entriesOf, get, numberOf, textOf } from './read.js';
import { type Branch, joinPath } from './tree.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** What is wrong between the keys of one operation; `default.<operation>` counts too. */
export function operationFaults(path: string, item: Branch, defaults: Branch | undefined): Fault[] {
  const [kind, own] = entriesOf(item)[0] ?? [];
  if (kind === undefined || own?.entries === undefined) return [];
  const check = new OperationCheck(`${path}.${kind}`, own, get(defaults, kind));
  if (kind === 'execute') check.execute();
  if (kind === 'consul-kvs') check.consulKvs();
  if (kind === 'wait-for') check.waitFor();
  if (kind === 'http') check.http();
  check.retries();
  return check.faults;
}

class OperationCheck {
  readonly faults: Fault[] = [];

  constructor(
    readonly path: string,
    readonly own: Branch,
    readonly fallback: Branch | undefined,
  ) {}

  #key(name: string): Branch | undefined {
    return get(this.own, name) ?? get(this.fallback, name);
  }

  #wrong(name: string, message: string, hint?: string): void {
    const branch = get(this.own, name);
    this.faults.push(fault(branch?.at ?? this.own.keyAt, joinPath(this.path, name), message, hint));
  }

  /** Something that the operation cannot do without; its defaults do not have it either. */
  #lacks(message: string): void {
    this.faults.push(missing(this.own.keyAt, this.path, message));
  }

  #idle(name: string, message: string): void {
    const branch = get(this.own, name);
    if (branch !== undefined)
      this.faults.push(
        warning(branch.keyAt, joinPath(this.path, name), `${name}: without effect ${message}`),
      );
  }

  execute(): void {
    const file = get(this.own, 'file');
    const script = get(this.own, 'script');
    if (file !== undefined && script !== undefined)
      this.faults.push(
        fault(
          script.keyAt,
          `${this.path}.script`,
          'execute: expected "file" or "script", found both',
          'put each into an operation of its own',
        ),
      );
    else if (this.#key('file') === undefined && this.#key('script') === undefined)
      this.#lacks('execute: expected "file" or "script", found neither');
    if (file === undefined && script !== undefined)
      this.#idle('arguments', 'without "file": a script takes none');
    if (textOf(file) === '') this.#wrong('file', 'file: expected a path, found an empty text');
  }

  consulKvs(): void {
    const action = textOf(this.#key('action'));
    const key = this.#key('key');
    if (key?.text === '') this.#wrong('key', 'key: expected a key, found an empty text');
    // `value:` without anything is the empty value, as in the original.
    const value = this.own.entries?.has('value') || this.fallback?.entries?.has('value');
    if (action === 'put' && !value) this.#lacks('consul-kvs: expected "value" for the action "put"');
    if (action !== 'put') this.#idle('value', 'unless the action is "put"');
    if (action === 'get' && this.#key('name') === undefined)
      this.faults.push(
        warning(
          this.own.keyAt,
          this.path,
          'consul-kvs: the value that is read goes nowhere: expected "name", a variable that takes it',
        ),
      );
    if (action !== 'get') this.#idle('name', 'unless the action is "get"');
  }

  waitFor(): void {
    const kinds = ['tcp', 'http', 'service'];
    const given = kinds.filter((name) => get(this.own, name) !== undefined);
    const usual = kinds.filter((name) => get(this.fallback, name) !== undefined);
    if (given.length > 1 || (given.length === 0 && usual.length !== 1))
      this.#lacks(
        `wait-for: expected one of "tcp", "http" and "service", found ${given.length === 0 ? 'none' : given.join(' and ')}`,
      );
    const tcp = get(this.own, 'tcp');
    if (tcp?.text !== undefined && parseTcp(tcp.text) === undefined)
      this.#wrong(
        'tcp',
        `tcp: expected host:port with a port from 1 to 65535, found ${JSON.stringify(tcp.text)}`,
      );
    const http = get(this.own, 'http');
    this.#url(http?.text === undefined ? get(http, 'url') : http, 'http');
  }

  http(): void {
    this.#url(get(this.own, 'url'), 'url');
    const method = get(this.own, 'method');
    if (method?.text !== undefined && !METHODS.includes(method.text.toUpperCase()))
      this.#wrong(
        'method',
        `method: expected ${METHODS.join(', ')}, found "${method.text}"`,
        didYouMean(method.text, METHODS),
      );
    if (
      ['GET', 'HEAD'].includes((textOf(this.#key('method')) ?? 'GET').toUpperCase()) &&
      get(this.own, 'body') !== undefined
    )
      this.#wrong('body', 'body: a request with the method GET or HEAD has none', 'set "method: POST"');
  }

  retries(): void {
    if ((numberOf(this.#key('retries')) ?? 0) > 0) return;
    for (const name of ['retry_delay', 'retry_backoff']) this.#idle(name, 'without "retries"');
  }

  /** A URL with variables in it is known only when the task runs. */
  #url(branch: Branch | undefined, name: string): void {
    if (branch?.text === undefined || branch.text.includes('{{')) return;
    const url = URL.canParse(branch.text) ? new URL(branch.text) : undefined;
    if (url?.protocol === 'http:' || url?.protocol === 'https:') return;
    this.faults.push(
      fault(
        branch.at,
        joinPath(this.path, name),
        `${name}: expected a URL that begins with http:// or https://, found ${JSON.stringify(branch.text)}`,
      ),
    );
  }
}
