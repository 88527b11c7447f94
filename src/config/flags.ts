/** A flag that every command takes, for help and for the parsing of argv. */
export interface GlobalFlag {
  /** Without dashes; also the name of its key in the configuration file, unless `flagOnly`. */
  readonly name: string;
  /** boolean flags take no value; `list` may be given several times. */
  readonly kind: 'boolean' | 'string' | 'number' | 'list';
  readonly description: string;
  /** How the value is called in help, e.g. `FILE`. */
  readonly value?: string;
  /** The default as help shows it. */
  readonly default?: string;
  /** Its value is never shown. */
  readonly secret?: true;
  /** No key of the configuration file. */
  readonly flagOnly?: true;
}

export const GLOBAL_FLAGS: readonly GlobalFlag[] = [
  {
    name: 'host',
    kind: 'string',
    value: 'HOST',
    description: 'host of the Consul agent',
    default: '127.0.0.1',
  },
  {
    name: 'port',
    kind: 'number',
    value: 'PORT',
    description: 'HTTP port of the Consul agent',
    default: '8500',
  },
  {
    name: 'protocol',
    kind: 'string',
    value: 'http|https',
    description: 'how to speak to the Consul agent',
    default: 'https on port 8501, else http',
  },
  {
    name: 'token',
    kind: 'string',
    value: 'TOKEN',
    description: 'ACL token; when set, the payload of an event must be this token too',
    secret: true,
  },
  {
    name: 'insecure-skip-verify',
    kind: 'boolean',
    description: 'do not check the certificate of the Consul agent',
  },
  {
    name: 'ca-cert',
    kind: 'string',
    value: 'FILE',
    description: 'certificates of the authorities to trust, PEM',
  },
  {
    name: 'client-cert',
    kind: 'string',
    value: 'FILE',
    description: 'certificate to show to the Consul agent, PEM',
  },
  { name: 'client-key', kind: 'string', value: 'FILE', description: 'key of that certificate, PEM' },
  { name: 'proxy-host', kind: 'string', value: 'HOST', description: 'host of the HTTP proxy' },
  { name: 'proxy-port', kind: 'number', value: 'PORT', description: 'port of the HTTP proxy' },
  {
    name: 'no-proxy',
    kind: 'string',
    value: 'HOSTS',
    description: 'hosts that are reached without the proxy',
  },
  {
    name: 'service-manager',
    kind: 'string',
    value: 'init|systemd',
    description: 'what starts and stops services',
    default: 'systemd where it runs, else init',
  },
  {
    name: 'files',
    kind: 'string',
    value: 'FILE,…',
    description: 'schedule files, in order, separated by commas',
  },
  {
    name: 'role',
    kind: 'string',
    value: 'ROLE,…',
    description: 'the variable "role" of every schedule file',
  },
  {
    name: 'skippable',
    kind: 'boolean',
    description: 'skip a step that has no node, unless the step says otherwise',
    default: 'true',
  },
  { name: 'debug', kind: 'boolean', description: 'log more, and keep temporary files' },
  {
    name: 'prefix',
    kind: 'string',
    value: 'PATH',
    description: 'of every key in the store',
    default: 'metronome/',
  },
  {
    name: 'state-dir',
    kind: 'string',
    value: 'DIR',
    description: 'lockfile, spool and records of running tasks',
    default: '/var/lib/metronome as root, else the XDG state folder',
  },
  {
    name: 'node',
    kind: 'string',
    value: 'NAME',
    description: 'name of this node',
    default: "its Consul agent's own",
  },
  { name: 'log-format', kind: 'string', value: 'text|json', description: 'form of the log', default: 'text' },
  {
    name: 'event-key',
    kind: 'string',
    value: 'KEY',
    description: 'secret with which events are signed, for clusters where the token must not travel',
    secret: true,
  },
  {
    name: 'config',
    kind: 'string',
    value: 'FILE',
    description: 'configuration file',
    default: '/etc/metronome/config.yml',
    flagOnly: true,
  },
  {
    name: 'variables',
    kind: 'string',
    value: 'FILE',
    description: 'file of variables that schedule files may leave open',
    default: '/etc/metronome/variables.yml',
    flagOnly: true,
  },
  {
    name: 'var',
    kind: 'list',
    value: 'NAME=VALUE',
    description: 'one such variable; stands above the file of variables',
    flagOnly: true,
  },
];

/**
 * argv as `parseArgs` of node:util takes it (with `allowNegative: true`): the original's single-dash spelling
 * `-host x`, `-host=x` becomes `--host x`, `--host=x`; `--debug=true` becomes `--debug`, and `--debug=false`
 * becomes `--no-debug`. Values of flags, everything after `--`, and one-letter flags are left alone.
 * `more` are the flags of the command at hand: what takes a value must be known so that the value is not touched.
 */
export function normalizeArgv(
  argv: readonly string[],
  more: readonly { readonly name: string; readonly kind: string }[] = [],
): string[] {
  const kinds = new Map([...GLOBAL_FLAGS, ...more].map(({ name, kind }) => [name, kind]));
  const normal: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at] ?? '';
    if (argument === '--') return [...normal, ...argv.slice(at)];
    const match = /^--?(?<name>[A-Za-z][A-Za-z0-9-]+)(?<rest>=[^]*)?$/.exec(argument);
    const name = match?.groups?.name;
    if (name === undefined) {
      normal.push(argument);
      continue;
    }
    const rest = match?.groups?.rest;
    const kind = kinds.get(name);
    const said = kind === 'boolean' && rest !== undefined ? readBoolean(rest.slice(1)) : undefined;
    if (said !== undefined) normal.push(said ? `--${name}` : `--no-${name}`);
    else normal.push(`--${name}${rest ?? ''}`);
    const next = argv[at + 1];
    if (kind !== undefined && kind !== 'boolean' && rest === undefined && next !== undefined) {
      normal.push(next);
      at += 1;
    }
  }
  return normal;
}

/** What YAML 1.1 and Go's flags take for a truth value; undefined for anything else. */
export function readBoolean(text: string): boolean | undefined {
  if (/^(true|yes|on|t|y|1)$/i.test(text)) return true;
  if (/^(false|no|off|f|n|0)$/i.test(text)) return false;
  return undefined;
}
