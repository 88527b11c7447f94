import { createHash } from 'node:crypto';
import { basename, dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { buildSchedule } from './build.js';
import { add, type Fault, fault } from './fault.js';
import { describeFound, HINT } from './leaf.js';
import { nameFault } from './names.js';
import { ruleFaults } from './rules.js';
import { scheduleFile } from './schema.js';
import { type Branch, joinPath, readTree } from './tree.js';
import type { ParseResult, Problem } from './types.js';

export interface ParseOptions {
  /** sha256 (hex) of the file's bytes; that of the text when absent. */
  readonly hash?: string;
}

/** More would bury the first ones, and a file of garbage has one for every line. */
const MOST = 500;

/**
 * Reads the text of a schedule file. Gives the schedule when there is no error, and every problem at once, in the order
 * of the file, each with the line and column of the key or value that is wrong. Never throws.
 * `file` is the path as it was given: the folder it lies in names the pattern.
 */
export function parseSchedule(text: string, file: string, options: ParseOptions = {}): ParseResult {
  const folder = dirname(resolve(file));
  const pattern = basename(folder);
  const tree = readTree(text.replace(/^\uFEFF/, ''));
  const faults: Fault[] = [...tree.faults];
  const broken = faults.some(({ severity }) => severity === 'error');

  const patternFault = nameFault(pattern);
  if (patternFault !== undefined)
    faults.push(
      fault(
        0,
        '',
        `the name of the folder, which is the pattern, ${patternFault}: found ${describeFound(pattern)}`,
      ),
    );
  if (tree.root === undefined || tree.root.value === null) {
    if (!broken) faults.push(fault(0, '', 'the file is empty: expected a map with "events" and "tasks"'));
  } else {
    const { issues } = v.safeParse(scheduleFile, tree.root.value);
    const unfit = (issues ?? []).map((issue) => toFault(issue, tree.root as Branch));
    add(faults, unfit);
    if (tree.root.entries !== undefined) {
      const above = pathsAbove(unfit);
      add(
        faults,
        ruleFaults(tree.root).filter((one) => !one.missing || !above.has(one.path)),
      );
    }
  }

  const problems = faults
    .map((one, no) => ({ one, no, ...tree.place(one.at) }))
    .sort((a, b) => a.line - b.line || a.column - b.column || a.no - b.no)
    .map(
      ({ one: { path, severity, message, hint }, line, column }): Problem => ({
        place: { file, line, column },
        severity,
        path: oneLine(path),
        message: oneLine(message),
        ...(hint === undefined ? {} : { hint: oneLine(hint) }),
      }),
    );
  if (tree.root === undefined || problems.some(({ severity }) => severity === 'error'))
    return { problems: shorten(problems) };
  const place = (at: number) => ({ file, ...tree.place(at) });
  const hash = options.hash ?? createHash('sha256').update(text).digest('hex');
  return {
    schedule: buildSchedule(tree.root, { file, folder, pattern, hash, place }),
    problems: shorten(problems),
  };
}

/** The paths of these faults and of everything that holds them. */
function pathsAbove(faults: readonly Fault[]): Set<string> {
  const paths = new Set<string>();
  for (const { path } of faults) {
    for (
      let end = path.length;
      end > 0;
      end = Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('[', end - 1))
    )
      paths.add(path.slice(0, end));
  }
  return paths;
}

/** What valibot found, with the place of the key or the value in the file. */
function toFault(issue: v.GenericIssue, root: Branch): Fault {
  let branch = root;
  let path = '';
  let onKey = false;
  let last = '';
  for (const item of issue.path ?? []) {
    const key = item.key as string | number;
    path = joinPath(path, key);
    last = typeof key === 'number' ? `${last}[${key}]` : key;
    const next = typeof key === 'number' ? branch.items?.[key] : branch.entries?.get(key);
    if (next === undefined) {
      // A key that is missing: the map that should have it.
      const what = branch.entries?.size === 0 ? 'nothing' : [...(branch.entries?.keys() ?? [])].join(', ');
      return fault(branch.at, path, `expected the key "${last}", found ${what === '' ? 'none' : what}`);
    }
    branch = next;
    onKey = item.origin === 'key';
  }
  const [message = '', hint] = issue.message.split(HINT);
  // Such a message names the key itself.
  const named = onKey || last === '' ? message : `${last}: ${message}`;
  return fault(onKey ? branch.keyAt : branch.at, path, named, hint);
}

/** Names out of the file may have line ends and worse in them. */
function oneLine(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function shorten(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MOST) return problems;
  const next = problems[MOST] as Problem;
  const hidden = problems.slice(MOST);
  const severity = hidden.some((problem) => problem.severity === 'error') ? 'error' : 'warning';
  return [
    ...problems.slice(0, MOST),
    { place: next.place, severity, path: '', message: `and ${hidden.length} problems more from here on` },
  ];
}
