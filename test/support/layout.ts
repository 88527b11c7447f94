/**
 * The layout (ARCHITECTURE.md): which part may import which, and what may stand at the top level.
 * To allow an import, edit the tables here; everything else follows.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix, relative } from 'node:path';

/** Usable by every part. */
const COMMON = ['errors', 'log'];

/** Part -> the parts that it may import beside itself and the common ones. Imports run one way, downwards here. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  log: [],
  config: [],
  schedule: ['config'],
  run: ['config', 'schedule'],
  store: ['config', 'schedule', 'run'],
  local: ['config', 'schedule', 'run'],
  operations: ['config', 'schedule', 'run', 'local'],
  handlers: ['config', 'schedule', 'run', 'store', 'local', 'operations'],
  drivers: ['config', 'schedule', 'run', 'store', 'local', 'operations', 'handlers'],
  commands: ['config', 'schedule', 'run', 'store', 'local', 'operations', 'handlers', 'drivers'],
  cli: ['config', 'schedule', 'run', 'store', 'local', 'operations', 'handlers', 'commands', 'drivers'],
  // The process around cli: nothing imports it.
  main: ['cli'],
};

/** Package -> where alone it may be imported: a file, or a folder with its slash. */
export const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  consul: ['src/store/'],
  'proper-lockfile': ['src/local/lock.ts'],
  // Its clockwork in the driver; its parser of cron expressions alone, a pure function, in the schedule.
  'node-cron': ['src/drivers/agent.ts', 'src/schedule/cron-fields.ts'],
};

/** These compute and nothing else: no Node module, no package, no clock of their own. */
export const PURE: readonly string[] = ['src/run/'];

const TOP_LEVEL = new Set(
  (
    'src handlers test deploy ' +
    'README.md LICENSE CHANGELOG.md ARCHITECTURE.md package.json package-lock.json tsconfig.json ' +
    // Made, not kept: git ignores them.
    'node_modules dist build'
  ).split(' '),
);

export interface Import {
  /** Relative to the project, with slashes. */
  readonly file: string;
  readonly line: number;
  /** As written: `./types.js`, `node:fs`, `consul`. */
  readonly what: string;
}

const FORMS = [
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(?<what>[^'"]+)\1/gm,
  /^\s*import\s*(['"])(?<what>[^'"]+)\1/gm,
  /\b(?:import|require)\(\s*(['"])(?<what>[^'"]+)\1/g,
];

export function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  for (const form of FORMS) {
    for (const match of text.matchAll(form)) {
      const what = match.groups?.what ?? '';
      const at = match.index + match[0].lastIndexOf(what);
      found.push({ file, line: text.slice(0, at).split('\n').length, what });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

function partOf(file: string): string | undefined {
  if (file.startsWith('handlers/')) return 'handlers';
  const name = /^src\/([^/]+)/.exec(file)?.[1]?.replace(/\.ts$/, '');
  return name !== undefined && name in MAY_IMPORT ? name : undefined;
}

/** `@scope/name/deep` -> `@scope/name`; undefined for Node's own. */
function packageOf(what: string): string | undefined {
  if (what.startsWith('node:') || builtinModules.includes(what)) return undefined;
  return what
    .split('/')
    .slice(0, what.startsWith('@') ? 2 : 1)
    .join('/');
}

const within = (file: string, places: readonly string[]) =>
  places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));

/** What is wrong with this import, or undefined. */
export function faultOf({ file, what }: Import): string | undefined {
  const part = partOf(file);
  if (part === undefined) return `${file} belongs to no part that test/support/layout.ts knows`;
  if (!what.startsWith('.')) {
    if (within(file, PURE))
      return `imports ${what}; ${part} is pure and imports no module of Node's and no package`;
    const name = packageOf(what);
    const places = name === undefined ? undefined : ONLY_IN[name];
    if (places !== undefined && !within(file, places))
      return `imports ${what}, which only ${places.join(', ')} may`;
    return undefined;
  }
  const target = posix.join(dirname(file), what).replace(/\.js$/, '.ts');
  if (target === 'package.json') return undefined;
  const other = partOf(target);
  if (other === undefined) return `imports ${target}, which belongs to no part`;
  if (other === part || COMMON.includes(other) || MAY_IMPORT[part]?.includes(other)) return undefined;
  return `imports ${target}; ${part} may import ${[...COMMON, ...(MAY_IMPORT[part] ?? [])].join(', ')}, not ${other}`;
}

function sources(root: string): string[] {
  return ['src', 'handlers']
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(root, folder, name),
      ),
    )
    .filter((path) => path.endsWith('.ts'))
    .map((path) => relative(root, path).replaceAll('\\', '/'))
    .sort();
}

/** Every import against the order, as `file:line: what is wrong`. */
export function importProblems(root: string): string[] {
  const problems: string[] = [];
  for (const file of sources(root)) {
    if (partOf(file) === undefined)
      problems.push(`${file}:1: belongs to no part that test/support/layout.ts knows`);
    else
      for (const one of importsOf(file, readFileSync(join(root, file), 'utf8'))) {
        const fault = faultOf(one);
        if (fault !== undefined) problems.push(`${one.file}:${one.line}: ${fault}`);
      }
  }
  return problems;
}

/** Names at the top level that the layout does not have. Dot-files and packed archives are free. */
export function topLevelProblems(root: string): string[] {
  return readdirSync(root)
    .filter((name) => !name.startsWith('.') && !/\.(tgz|deb)$/.test(name) && !TOP_LEVEL.has(name))
    .map((name) => `${name}: the layout has no such name at the top level`);
}
