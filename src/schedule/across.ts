import { resolve } from 'node:path';
import { didYouMean } from './nearest.js';
import type { EventDefinition, Place, Problem, Schedule } from './types.js';

/**
 * What is wrong between the files of one node. With `complete: false` some files could not be read: what may stand in
 * one of those is then not called missing.
 */
export function checkSchedules(
  schedules: readonly Schedule[],
  options: { complete?: boolean } = {},
): Problem[] {
  return [
    ...samePatterns(schedules),
    ...differingEvents(schedules),
    ...differingLimits(schedules),
    ...cronEntries(schedules, options.complete ?? true),
    ...earlierSteps(schedules, options.complete ?? true),
  ];
}

function error(place: Place, path: string, message: string, hint?: string): Problem {
  return { place, severity: 'error', path, message, ...(hint === undefined ? {} : { hint }) };
}

/** A task is looked up by its pattern: two files of one pattern would hide each other. */
function samePatterns(schedules: readonly Schedule[]): Problem[] {
  const seen = new Map<string, Schedule>();
  return schedules.flatMap((schedule) => {
    const first = seen.get(schedule.pattern);
    const place = { file: schedule.file, line: 1, column: 1 };
    if (first === undefined) {
      seen.set(schedule.pattern, schedule);
      return [];
    }
    return resolve(first.file) === resolve(schedule.file)
      ? [error(place, '', 'the file is listed twice', 'list it once in "files"')]
      : [
          error(
            place,
            '',
            `the folder has the same name as that of ${first.file}: expected another name, since it is the pattern ("${schedule.pattern}")`,
            'rename one of the two folders, or put both files into one',
          ),
        ];
  });
}

/** One event can have one place in the queue only. */
function differingEvents(schedules: readonly Schedule[]): Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, EventDefinition>();
  for (const [key, property] of [
    ['concurrency', 'concurrency'],
    ['buffer_period', 'bufferPeriod'],
    ['window', 'window'],
  ] as const) {
    seen.clear();
    for (const definition of schedules.flatMap((schedule) => Object.values(schedule.events))) {
      if (definition[property] === undefined) continue;
      const first = seen.get(definition.name);
      if (first === undefined) seen.set(definition.name, definition);
      else if (JSON.stringify(first[property]) !== JSON.stringify(definition[property]))
        problems.push(
          error(
            definition.place,
            `events.${definition.name}.${key}`,
            `event "${definition.name}" has another ${key} here than in ${first.place.file}:${first.place.line}: expected the same in all files`,
            `let one file say it, or all the same`,
          ),
        );
    }
  }
  return problems;
}

/** Each event brings its own limit: of two in one group the lower one is not kept while the other is asked. */
function differingLimits(schedules: readonly Schedule[]): Problem[] {
  const events = new Map<string, EventDefinition>();
  // One of the files may say it for all.
  for (const definition of schedules.flatMap((schedule) => Object.values(schedule.events)))
    if (events.get(definition.name)?.concurrency === undefined) events.set(definition.name, definition);
  const first = new Map<string, EventDefinition>();
  return [...events.values()].flatMap((event) => {
    const { group = 'default', limit = 1 } = event.concurrency ?? {};
    const other = first.get(group) ?? event;
    first.set(group, other);
    const before = other.concurrency?.limit ?? 1;
    if (before === limit) return [];
    const { place, name } = event;
    const message = `limit: the group "${group}" has limit ${limit} here and ${before} for event "${other.name}" in ${other.place.file}:${other.place.line}`;
    const hint = 'let all events of a group have the same limit';
    return [{ place, severity: 'warning', path: `events.${name}.concurrency.limit`, message, hint }];
  });
}

function cronEntries(schedules: readonly Schedule[], complete: boolean): Problem[] {
  const names = new Set(schedules.flatMap((schedule) => Object.keys(schedule.events)));
  const problems: Problem[] = [];
  for (const schedule of schedules) {
    const seen = new Map<string, Place>();
    for (const [no, entry] of schedule.schedules.entries()) {
      const path = `schedules[${no}]`;
      if (complete && !names.has(entry.event))
        problems.push(
          error(
            entry.place,
            `${path}.event`,
            `no schedule file defines the event "${entry.event}"`,
            didYouMean(entry.event, names),
          ),
        );
      const first = seen.get(entry.name);
      if (first !== undefined)
        problems.push(error(entry.place, path, `the same entry stands on line ${first.line} already`));
      else seen.set(entry.name, entry.place);
    }
  }
  return problems;
}

/** `when.steps` names a task that ran before, in this file or in another one that defines the event. */
function earlierSteps(schedules: readonly Schedule[], complete: boolean): Problem[] {
  if (!complete) return [];
  const problems: Problem[] = [];
  const events = new Set(schedules.flatMap((schedule) => Object.keys(schedule.events)));
  for (const event of events) {
    const definitions = schedules
      .flatMap((schedule) => schedule.events[event] ?? [])
      .sort((a, b) => a.priority - b.priority);
    const before = new Set<string>();
    for (const section of ['steps', 'rescue', 'always'] as const) {
      for (const definition of definitions) {
        for (const [no, step] of definition[section].entries()) {
          for (const task of Object.keys(step.when?.steps ?? {})) {
            if (before.has(task)) continue;
            const list = section === 'steps' ? 'ordered_tasks' : section;
            const hint =
              didYouMean(task, before) ??
              (before.size === 0 ? 'this is the first step' : `earlier steps run: ${[...before].join(', ')}`);
            problems.push(
              error(
                step.place,
                `events.${event}.${list}[${no}].when.steps`,
                `when.steps: no earlier step runs the task "${task}"`,
                hint,
              ),
            );
          }
          before.add(step.task);
        }
      }
    }
  }
  return problems;
}
