import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../errors.js';
import { checkSchedules } from './across.js';
import { parseSchedule } from './parse.js';
import type { Problem, Schedule } from './types.js';

/** Nobody writes so much by hand: a larger file is the wrong one. */
const LARGEST = 8 * 1024 * 1024;

/**
 * Reads schedule files and checks them, each and all together. Gives the schedules of the files without an error, in the
 * order of `files`, and all problems of all files. What is wrong with a file as a whole stands at its line 1, column 1.
 * `refuseWritableByOthers` (default: when running as root): tasks run as root, so whoever can write the file
 * or its folder is root; both must belong to root and be writable by no other user and no other group.
 */
export async function loadSchedules(
  files: readonly string[],
  options: { refuseWritableByOthers?: boolean } = {},
): Promise<{ schedules: Schedule[]; problems: Problem[] }> {
  const refuse = options.refuseWritableByOthers ?? process.getuid?.() === 0;
  const results = await Promise.all(files.map((file) => loadSchedule(file, refuse)));
  const schedules = results.flatMap(({ schedule }) => schedule ?? []);
  const complete = schedules.length === files.length;
  return {
    schedules,
    problems: [...results.flatMap(({ problems }) => problems), ...checkSchedules(schedules, { complete })],
  };
}

async function loadSchedule(
  file: string,
  refuse: boolean,
): Promise<{ schedule?: Schedule; problems: readonly Problem[] }> {
  const problem = (message: string, hint?: string) => ({
    problems: [
      {
        place: { file, line: 1, column: 1 },
        severity: 'error' as const,
        path: '',
        message,
        ...(hint === undefined ? {} : { hint }),
      },
    ],
  });
  let bytes: Buffer;
  try {
    const found = await stat(file);
    if (found.isDirectory())
      return problem(
        'is a folder: expected a schedule file',
        `name the file in it, e.g. ${file.replace(/\/$/, '')}/task.yml`,
      );
    if (!found.isFile()) return problem('is no regular file: expected a schedule file');
    if (found.size > LARGEST)
      return problem(`has ${Math.ceil(found.size / 1024 / 1024)} MiB: expected at most 8 MiB`);
    if (refuse) {
      const fault = writableFault(found) ?? writableFault(await stat(dirname(file)), dirname(file));
      if (fault !== undefined) return problem(fault.message, fault.hint(file));
    }
    bytes = await readFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return problem(
        'there is no such file',
        'the key "files" of the configuration lists the schedule files',
      );
    if (code === 'EACCES') return problem('cannot be read: permission denied');
    return problem(`cannot be read: ${messageOf(error)}`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return problem(`is not UTF-8 from line ${firstBadLine(bytes)} on: expected a text file in UTF-8`);
  }
  return parseSchedule(text, file, { hash: createHash('sha256').update(bytes).digest('hex') });
}

interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Who else could put commands there; undefined when nobody can. */
function writableFault(
  { mode, uid, gid }: Owned,
  folder?: string,
): { message: string; hint(file: string): string } | undefined {
  const what = folder === undefined ? 'the file' : `its folder ${folder}`;
  const path = (file: string) => folder ?? file;
  if (uid !== 0)
    return {
      message: `${what} belongs to user ${uid}, who could thereby run commands as root`,
      hint: (file) => `chown root ${path(file)}`,
    };
  if ((mode & 0o002) !== 0)
    return {
      message: `${what} can be written by every user, who could thereby run commands as root`,
      hint: (file) => `chmod o-w ${path(file)}`,
    };
  if ((mode & 0o020) !== 0 && gid !== 0)
    return {
      message: `${what} can be written by group ${gid}, who could thereby run commands as root`,
      hint: (file) => `chmod g-w ${path(file)}`,
    };
  return undefined;
}

function firstBadLine(bytes: Buffer): number {
  // A bad byte decodes to U+FFFD; the line of the first one that the bytes do not spell out themselves.
  const lines = bytes.toString('latin1').split('\n');
  const at = lines.findIndex((line) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(line, 'latin1'));
      return false;
    } catch {
      return true;
    }
  });
  return at + 1;
}
