import { createHash } from 'node:crypto';
import { buildOperation } from './build-operation.js';
import { buildSteps, buildStepOptions } from './build-step.js';
import { parseDays, parseTimeOfDay } from './days.js';
import { parseBufferPeriod } from './durations.js';
import {
  durationOf,
  entriesOf,
  flagOf,
  get,
  itemsOf,
  numberOf,
  record,
  textOf,
  textsOf,
  type Reader,
} from './read.js';
import type { Branch } from './tree.js';
import type {
  Concurrency,
  CronEntry,
  EventDefinition,
  Schedule,
  ScheduleDefaults,
  TaskDefinition,
  WindowDefinition,
} from './types.js';

type Frame = Pick<Schedule, 'file' | 'folder' | 'pattern' | 'hash'> & { readonly place: Reader['place'] };

/** Makes a Schedule of a tree that has passed the schema and the rules: nothing is checked again here. */
export function buildSchedule(root: Branch, { place, ...frame }: Frame): Schedule {
  const defaults = get(root, 'default');
  return {
    ...frame,
    variables: record(entriesOf(get(root, 'variables')).map(([name, branch]) => [name, branch.text ?? ''])),
    environments: record(
      entriesOf(get(root, 'environments')).map(([name, branch]) => [name, branch.text ?? '']),
    ),
    defaults: buildDefaults(defaults),
    events: record(
      entriesOf(get(root, 'events')).map(([name, branch]) => [name, buildEvent(name, branch, { place })]),
    ),
    tasks: record(
      entriesOf(get(root, 'tasks')).map(([name, branch]) => [
        name,
        buildTask(name, branch, defaults, { place }),
      ]),
    ),
    schedules: itemsOf(get(root, 'schedules')).map((branch) =>
      buildCronEntry(branch, frame.pattern, { place }),
    ),
  };
}

function buildDefaults(defaults: Branch | undefined): ScheduleDefaults {
  const timeout = durationOf(get(defaults, 'timeout'));
  const operations = entriesOf(defaults).filter(
    ([name, branch]) => name !== 'timeout' && name !== 'step' && branch.value !== null,
  );
  return {
    ...(timeout === undefined ? {} : { timeout }),
    step: buildStepOptions(get(defaults, 'step')),
    operations: record(operations.map(([name, branch]) => [name, branch.value as Record<string, unknown>])),
  };
}

function buildEvent(name: string, branch: Branch, reader: Reader): EventDefinition {
  const task = get(branch, 'task');
  const concurrency = buildConcurrency(get(branch, 'concurrency'));
  const bufferPeriod = parseBufferPeriod(get(branch, 'buffer_period')?.value);
  const window = buildWindow(get(branch, 'window'));
  return {
    name,
    description: textOf(get(branch, 'description')) ?? '',
    priority: numberOf(get(branch, 'priority')) ?? 50,
    steps:
      task === undefined
        ? buildSteps(get(branch, 'ordered_tasks'), reader)
        : [{ task: task.text ?? '', place: reader.place(task.keyAt) }],
    rescue: buildSteps(get(branch, 'rescue'), reader),
    always: buildSteps(get(branch, 'always'), reader),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(bufferPeriod === undefined ? {} : { bufferPeriod }),
    ...(window === undefined ? {} : { window }),
    place: reader.place(branch.keyAt),
  };
}

function buildConcurrency(branch: Branch | undefined): Concurrency | undefined {
  if (branch === undefined) return undefined;
  return {
    group: branch.text ?? textOf(get(branch, 'group')) ?? '',
    cancelInProgress: flagOf(get(branch, 'cancel_in_progress')) ?? false,
    limit: numberOf(get(branch, 'limit')) ?? 1,
  };
}

function buildWindow(branch: Branch | undefined): WindowDefinition | undefined {
  if (branch === undefined) return undefined;
  const days = textsOf(get(branch, 'days'))?.flatMap((text) => parseDays(text) ?? []);
  return {
    days: days === undefined ? [0, 1, 2, 3, 4, 5, 6] : [...new Set(days)].sort((a, b) => a - b),
    start: parseTimeOfDay(textOf(get(branch, 'start')) ?? '00:00') ?? 0,
    end: parseTimeOfDay(textOf(get(branch, 'end')) ?? '24:00') ?? 1440,
    timeZone: textOf(get(branch, 'time_zone')) ?? 'UTC',
  };
}

function buildTask(
  name: string,
  branch: Branch,
  defaults: Branch | undefined,
  reader: Reader,
): TaskDefinition {
  const timeout = durationOf(get(branch, 'timeout'));
  return {
    name,
    description: textOf(get(branch, 'description')) ?? '',
    ...(timeout === undefined ? {} : { timeout }),
    operations: itemsOf(get(branch, 'operations')).map((item) => buildOperation(item, defaults, reader)),
    place: reader.place(branch.keyAt),
  };
}

function buildCronEntry(branch: Branch, pattern: string, reader: Reader): CronEntry {
  const cron = (textOf(get(branch, 'cron')) ?? '').trim().split(/\s+/).join(' ');
  const timeZone = textOf(get(branch, 'time_zone')) ?? 'UTC';
  const event = textOf(get(branch, 'event')) ?? '';
  const data = record(entriesOf(get(branch, 'data')).map(([key, value]) => [key, value.text ?? '']));
  return {
    name: `${pattern}-${cronHash(cron, timeZone, event, data)}`,
    cron,
    timeZone,
    event,
    data,
    catchUp: textOf(get(branch, 'catch_up')) === 'once' ? 'once' : 'skip',
    jitter: durationOf(get(branch, 'jitter')) ?? 0,
    place: reader.place(branch.at),
  };
}

/** What makes two entries the same one: catch_up and jitter may be changed without the entry becoming a new one. */
function cronHash(
  cron: string,
  timeZone: string,
  event: string,
  data: Readonly<Record<string, string>>,
): string {
  const sorted = Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([cron, timeZone, event, sorted]))
    .digest('hex')
    .slice(0, 10);
}
