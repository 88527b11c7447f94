import type { Config } from '../config.js';
import { record } from './read.js';
import type { Schedule } from './types.js';

/** Rounds of replacement; a variable that contains itself would go on for ever. */
const MOST_ROUNDS = 20;
/** Two variables that contain each other twice double with every round. */
const LONGEST = 4 * 1024 * 1024;
const REFERENCE = /\{\{\s*([^{}]*?)\s*\}\}/g;

/**
 * Replaces `{{name}}` by the variable and `{{config.x}}` by the configuration value x (spelled as in config.yml), again
 * until nothing changes; names that nobody knows are left as they stand. Spaces within the braces do not matter.
 * A reference that leads back to itself is left standing after 20 rounds, as is one whose text would pass 4 MiB.
 */
export function substitute(
  text: string,
  variables: Readonly<Record<string, string>>,
  configValues: Readonly<Record<string, string>>,
): string {
  let before = text;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const after = before.replace(
      REFERENCE,
      (whole, name: string) => valueOf(name, variables, configValues) ?? whole,
    );
    if (after === before) return after;
    if (after.length > LONGEST) return before;
    before = after;
  }
  return before;
}

function valueOf(
  name: string,
  variables: Readonly<Record<string, string>>,
  configValues: Readonly<Record<string, string>>,
): string | undefined {
  // Only own names: `{{constructor}}` is no variable.
  if (Object.hasOwn(variables, name)) return variables[name];
  if (!name.startsWith('config.')) return undefined;
  const key = name.slice('config.'.length);
  return Object.hasOwn(configValues, key) ? configValues[key] : undefined;
}

/** The names that a text refers to and nobody knows, each once: for messages, since they are left standing. */
export function unknownNames(
  text: string,
  variables: Readonly<Record<string, string>>,
  configValues: Readonly<Record<string, string>>,
): string[] {
  const names = [...text.matchAll(REFERENCE)].map((match) => match[1] ?? '');
  return [...new Set(names)].filter((name) => valueOf(name, variables, configValues) === undefined);
}

/**
 * What `{{config.x}}` gives, by the names of config.yml. `secrets` are those values that must never be shown or logged:
 * `{{config.token}}` works as in the original, so the caller has to hide what it yields.
 */
export function configValuesOf(config: Config): {
  values: Record<string, string>;
  secrets: readonly string[];
} {
  const values: Record<string, string | undefined> = {
    host: config.host,
    port: String(config.port),
    protocol: config.protocol,
    token: config.token ?? '',
    'insecure-skip-verify': String(config.insecureSkipVerify),
    'proxy-host': config.proxyHost ?? '',
    'proxy-port': config.proxyPort === undefined ? '' : String(config.proxyPort),
    'no-proxy': config.noProxy ?? '',
    'service-manager': config.serviceManager,
    files: config.files.join(','),
    role: config.role,
    skippable: String(config.skippable),
    debug: String(config.debug),
    prefix: config.prefix,
    'state-dir': config.stateDir,
    node: config.node,
  };
  const known = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { values: record(known), secrets: config.token === undefined ? [] : [config.token] };
}

/**
 * The variables of a schedule file: its own, which stand above `config.variables` (the variables file and `--var`), and
 * `extra` (what consul-kvs read, for instance) above all; `role` is always the configuration's.
 */
export function variablesOf(
  schedule: Pick<Schedule, 'variables'>,
  config: Pick<Config, 'variables' | 'role'>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return record(Object.entries({ ...config.variables, ...schedule.variables, ...extra, role: config.role }));
}

/**
 * The environment that a schedule file adds to its tasks: `$NAME` and `${NAME}` come from the process's environment
 * (empty where it has none), `{{…}}` from the variables. The process's part is put in last and only once,
 * so that nothing in it is taken for a reference.
 */
export function environmentOf(
  schedule: Pick<Schedule, 'environments'>,
  processEnv: Readonly<Record<string, string | undefined>>,
  variables: Readonly<Record<string, string>>,
  configValues: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return record(
    Object.entries(schedule.environments).map(([name, text]) => [
      name,
      substitute(text, variables, configValues).replace(
        /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g,
        (_, braced?: string, bare?: string) => processEnv[braced ?? bare ?? ''] ?? '',
      ),
    ]),
  );
}
