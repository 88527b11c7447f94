import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readEnvironment } from './config/environment.js';
import { readFlat } from './config/file.js';
import { KEYS, type Key, SECRET } from './config/values.js';
import { messageOf } from './errors.js';

export { GLOBAL_FLAGS, type GlobalFlag, normalizeArgv } from './config/flags.js';

/** The settings of one invocation, from flags, environment and file (flag before environment before file before default). */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** Consul's ACL token, and what an event's payload must be when it is set. Never printed. */
  readonly token?: string;
  readonly insecureSkipVerify: boolean;
  readonly proxyHost?: string;
  readonly proxyPort?: number;
  readonly noProxy?: string;
  readonly serviceManager: 'init' | 'systemd';
  /** Schedule files, in order, absolute paths. */
  readonly files: readonly string[];
  readonly role: string;
  /** Whether a step without targets is skipped when the step does not say. */
  readonly skippable: boolean;
  readonly debug: boolean;
  /** Of every key in the store; ends with a slash. */
  readonly prefix: string;
  /** Lockfile, spool and records of running tasks; absolute. */
  readonly stateDir: string;
  /** Overrides the Consul agent's own node name. */
  readonly node?: string;
  readonly logFormat: 'text' | 'json';
  readonly caCert?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  /** Signs events where the token must not travel. Never printed. */
  readonly eventKey?: string;
  /** How often `metronome agent` ticks, ms. An idle tick is two requests (three with `schedules`): 0.1 to 0.15 a second. */
  readonly tickInterval?: number;
  /** How long `metronome agent` lets a running task go on when it is told to stop, ms. */
  readonly stopTimeout?: number;
  /** Where on 127.0.0.1 `metronome agent` serves /healthz and /metrics; absent: nowhere. */
  readonly httpPort?: number;
  /** User variables, from the variables file and `--var`. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Something wrong with the settings; of the same shape as a Problem of a schedule file. For flags and environment
 * variables `place.file` is `command line` or `environment`, and line and column are 0.
 */
export interface ConfigProblem {
  readonly place: { readonly file: string; readonly line: number; readonly column: number };
  readonly severity: 'error' | 'warning';
  /** The key, `--flag` or environment variable. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

/** What the settings are made from. Everything that is not given is taken from the process and the disk. */
export interface ConfigInput {
  /** As `parseArgs` of node:util gives them; flags that are not ours are left alone. */
  readonly flags: Readonly<Record<string, boolean | string | readonly string[] | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly home?: string;
  /** Runs as root. */
  readonly root?: boolean;
  /** systemd is what runs this machine. */
  readonly systemd?: boolean;
  /** The text of a file; undefined when there is none. */
  readFile?(path: string): Promise<string | undefined>;
}

export interface LoadedConfig {
  /** Complete, but not to be used when `problems` has an error. */
  readonly config: Config;
  /**
   * Key as in config.yml -> `flag --host`, `environment CONSUL_HTTP_ADDR`, `file /etc/metronome/config.yml:3` or `default`;
   * user variables are `var.NAME`.
   */
  readonly sources: Readonly<Record<string, string>>;
  readonly problems: readonly ConfigProblem[];
}

const CONFIG_FILE = '/etc/metronome/config.yml';
const VARIABLES_FILE = '/etc/metronome/variables.yml';

/**
 * The settings of one invocation: flag before environment before file before default.
 * Reports all problems at once and never throws for wrong input. A file named by `--config` or `--variables`
 * must exist; the default ones need not. Relative paths in a file start from its folder, elsewhere from `cwd`.
 */
export async function loadConfig(input: ConfigInput): Promise<LoadedConfig> {
  const cwd = input.cwd ?? process.cwd();
  const root = input.root ?? process.getuid?.() === 0;
  const found: Partial<Record<keyof Config, unknown>> = {};
  const sources: Record<string, string> = {};
  const problems: ConfigProblem[] = [];
  const fail = (file: string, path: string, message: string, hint?: string, line = 0, column = 0) =>
    problems.push({
      place: { file, line, column },
      severity: 'error',
      path,
      message,
      ...(hint === undefined ? {} : { hint }),
    });
  const read = async (path: string, named: string | undefined): Promise<string | undefined> => {
    try {
      const text = await (input.readFile ?? readIfThere)(path);
      if (text === undefined && named !== undefined)
        fail('command line', named, `${named}: there is no file ${path}`);
      return text;
    } catch (error) {
      fail(path, '', `cannot be read: ${messageOf(error)}`);
      return undefined;
    }
  };
  /** Sets a key from a text unless something before it in order has set it; tells what is wrong with it in any case. */
  const take = (
    key: Key,
    text: string,
    folder: string,
    source: string,
    wrong: (message: string) => void,
  ): void => {
    if (text === '' && key !== 'role') return;
    const [property, reader] = KEYS[key];
    const reading = reader(text, folder);
    if ('fault' in reading)
      wrong(`${reading.fault}, found ${SECRET.has(key) ? 'something else' : JSON.stringify(text)}`);
    else if (!(property in found)) {
      found[property] = reading.value;
      sources[key] = source;
    }
  };

  for (const key of Object.keys(KEYS) as Key[]) {
    const given = input.flags[key];
    if (given === undefined) continue;
    take(key, Array.isArray(given) ? given.join(',') : String(given), cwd, `flag --${key}`, (message) =>
      fail('command line', `--${key}`, `--${key}: ${message}`),
    );
  }

  // As for Consul's own tools, a token file stands above a token.
  const tokenFile = input.env.CONSUL_HTTP_TOKEN_FILE;
  if (tokenFile) {
    const variable = 'CONSUL_HTTP_TOKEN_FILE';
    const path = resolve(cwd, tokenFile);
    const text = await read(path, undefined);
    if (text === undefined && !problems.some(({ place }) => place.file === path))
      fail('environment', variable, `${variable}: there is no file ${path}`);
    take('token', text?.trim() ?? '', cwd, `environment ${variable}`, (message) =>
      fail('environment', variable, `${variable}: ${message}`),
    );
  }
  const environment = readEnvironment(input.env);
  for (const { variable, message, hint } of environment.faults)
    fail('environment', variable, `${variable}: ${message}`, hint);
  for (const { key, text, variable } of environment.values)
    take(key, text, cwd, `environment ${variable}`, (message) =>
      fail('environment', variable, `${variable}: ${message}`),
    );

  const named = textFlag(input.flags.config);
  const file = resolve(cwd, named ?? CONFIG_FILE);
  const text = await read(file, named === undefined ? undefined : '--config');
  if (text !== undefined) {
    const flat = await readFlat(text, file, {
      known: Object.keys(KEYS),
      lists: ['files', 'role', 'no-proxy'],
    });
    problems.push(...flat.problems);
    for (const [key, { text, line, column }] of flat.entries)
      take(key as Key, text, resolve(file, '..'), `file ${file}:${line}`, (message) =>
        fail(file, key, `${key}: ${message}`, undefined, line, column),
      );
  }

  const variables = await loadVariables(input, cwd, read, sources, problems);
  const systemd = input.systemd ?? existsSync('/run/systemd/system');
  const defaults: Omit<Config, 'protocol'> = {
    host: '127.0.0.1',
    port: 8500,
    insecureSkipVerify: false,
    serviceManager: systemd ? 'systemd' : 'init',
    files: [],
    role: '',
    skippable: true,
    debug: false,
    prefix: 'metronome/',
    stateDir: root ? '/var/lib/metronome' : stateFolder(input.env, input.home),
    logFormat: 'text',
    tickInterval: 20_000,
    stopTimeout: 90_000,
    variables,
  };
  const settings = { ...defaults, ...found } as Omit<Config, 'protocol'> & { protocol?: Config['protocol'] };
  const config: Config = {
    ...settings,
    protocol: settings.protocol ?? (settings.port === 8501 ? 'https' : 'http'),
  };
  for (const key of Object.keys(KEYS) as Key[]) {
    if (KEYS[key][0] in config) sources[key] ??= 'default';
  }
  return { config, sources, problems };
}

/** The variables file, and `--var` above it. */
async function loadVariables(
  input: ConfigInput,
  cwd: string,
  read: (path: string, named: string | undefined) => Promise<string | undefined>,
  sources: Record<string, string>,
  problems: ConfigProblem[],
): Promise<Record<string, string>> {
  const variables = new Map<string, string>();
  const named = textFlag(input.flags.variables);
  const file = resolve(cwd, named ?? VARIABLES_FILE);
  const text = await read(file, named === undefined ? undefined : '--variables');
  if (text !== undefined) {
    const flat = await readFlat(text, file);
    problems.push(...flat.problems);
    for (const [name, entry] of flat.entries) {
      variables.set(name, entry.text);
      sources[`var.${name}`] = `file ${file}:${entry.line}`;
    }
  }
  const pairs = input.flags.var;
  for (const pair of Array.isArray(pairs) ? (pairs as string[]) : typeof pairs === 'string' ? [pairs] : []) {
    const cut = pair.indexOf('=');
    if (cut < 1) {
      const place = { file: 'command line', line: 0, column: 0 };
      // The text may be a secret that lost its name: it is not repeated.
      problems.push({
        place,
        severity: 'error',
        path: '--var',
        message: '--var: expected NAME=VALUE, found something without a name and "="',
      });
      continue;
    }
    variables.set(pair.slice(0, cut), pair.slice(cut + 1));
    sources[`var.${pair.slice(0, cut)}`] = 'flag --var';
  }
  return Object.fromEntries(variables);
}

/** `$XDG_STATE_HOME/metronome`, else `~/.local/state/metronome`; a relative XDG_STATE_HOME is ignored, as its specification says. */
function stateFolder(env: ConfigInput['env'], home = homedir()): string {
  const xdg = env.XDG_STATE_HOME;
  return xdg?.startsWith('/') ? join(xdg, 'metronome') : join(home, '.local/state/metronome');
}

function textFlag(flag: ConfigInput['flags'][string]): string | undefined {
  return typeof flag === 'string' && flag !== '' ? flag : undefined;
}

/** At one go: a small file, and loading Node's promises for files takes longer than reading it. */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
