import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { formatProblem, problemToJson } from '../schedule/excerpt.js';
import { loadSchedules } from '../schedule/load.js';
import type { Invocation } from './types.js';

/** Names every problem of every file at once; exit code 2 when there is an error (with --strict: or a warning). */
export async function run({ args, config, flags, io }: Invocation): Promise<ExitCode> {
  const files = args.length > 0 ? args.map((file) => resolve(file)) : config.files;
  if (files.length === 0)
    throw new InputError('no schedule file to check: name one, or set "files" in the configuration');
  const { schedules, problems } = await loadSchedules(files);
  const errors = problems.filter((problem) => problem.severity === 'error');
  const warnings = problems.filter((problem) => problem.severity === 'warning');
  const bad = errors.length > 0 || (flags.strict === true && warnings.length > 0);
  if (flags.json) {
    io.out(`${JSON.stringify({ valid: !bad, files, problems: problems.map(problemToJson) }, null, 2)}\n`);
    return bad ? EXIT.usage : EXIT.done;
  }
  const sources = new Map<string, string | undefined>();
  for (const problem of problems) {
    const { file } = problem.place;
    if (!sources.has(file)) sources.set(file, textOf(file));
    for (const line of formatProblem(problem, sources.get(file), { colour: io.colour, width: io.columns }))
      io.out(`${line}\n`);
  }
  const events = new Set(schedules.flatMap((schedule) => Object.keys(schedule.events))).size;
  const counts = [count(errors.length, 'error'), count(warnings.length, 'warning')].join(', ');
  io.out(
    bad || warnings.length > 0
      ? `${counts} in ${count(files.length, 'file')}\n`
      : `${count(files.length, 'file')} in order: ${count(events, 'event')}\n`,
  );
  return bad ? EXIT.usage : EXIT.done;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
