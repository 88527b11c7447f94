import {
  anything,
  block,
  bufferPeriod,
  cron,
  days,
  duration,
  flag,
  list,
  may,
  must,
  name,
  oneOf,
  oneOrMore,
  type Schema,
  shortOr,
  table,
  text,
  timeOfDay,
  timeZone,
  whole,
} from './leaf.js';
import { operation, operationDefaults } from './schema-operation.js';
import { step, stepOptions } from './schema-step.js';

/** Keys of a task that the original read without any effect: a warning, not an error. */
export const WITHOUT_EFFECT = ['trigger', 'filter', 'service', 'tag'] as const;

/** One for all lists of steps, so that the JSON schema has it once. */
export const stepEntry: Schema = step();
const steps = () => list(stepEntry, 'a list of steps');

const event = block({
  description: may('For people.', text()),
  priority: may(
    'Among files that define the same event: low first. Default 50.',
    whole(-1_000_000_000, 1_000_000_000),
  ),
  task: may('One step on every node; stands above ordered_tasks.', name('a task')),
  ordered_tasks: may('The steps, in order.', steps()),
  rescue: may('Steps that run after a failure.', steps()),
  always: may('Steps that run in any case, last.', steps()),
  concurrency: may(
    'Events of different groups run side by side, those of one group in order. A text is the name of the group.',
    shortOr(
      name('a group'),
      block({
        group: must('The name of the group.', name('a group')),
        cancel_in_progress: may(
          'A new event of the same name and group cancels those before it. Default false.',
          flag(),
        ),
        limit: may('How many run at once within the group. Default 1.', whole(1, 1000)),
      }),
    ),
  ),
  buffer_period: may(
    'Shortest and longest wait, e.g. 5s/20s: events of this name within it become one run.',
    bufferPeriod(),
  ),
  window: may(
    'When the event may start; outside it waits in the queue.',
    block({
      days: may(
        'Days, e.g. [mon-fri] or [sat, sun]. Default: every day.',
        oneOrMore(days(), 'a day or a list of days'),
      ),
      start: may('Time of day, e.g. "22:00". Default 00:00.', timeOfDay()),
      end: may('Time of day; not after start means on the next day. Default 24:00.', timeOfDay()),
      time_zone: may('IANA name. Default UTC.', timeZone()),
    }),
  ),
});

const task = block({
  description: may('For people.', text()),
  timeout: may('How long it may take. Default: default.timeout, else 1800 s.', duration('positive')),
  operations: may('What it does, in order.', list(operation(), 'a list of operations')),
  ...Object.fromEntries(WITHOUT_EFFECT.map((key) => [key, may('Without effect.', anything())])),
});

const cronEntry = block({
  cron: must('Five fields (minute hour day month weekday), or six with seconds first.', cron()),
  time_zone: may('IANA name. Default UTC.', timeZone()),
  event: must('The event to fire.', name('an event')),
  data: may('Data of the event; tasks get it as METRONOME_DATA_<KEY>.', table(text(), 'a map of texts')),
  catch_up: may(
    'What becomes of a due time that every node missed: it is skipped (default) or fired once.',
    oneOf('once', 'skip'),
  ),
  jitter: may(
    'Each due time is delayed by a part of this, the same on every node. Default 0.',
    duration('zero'),
  ),
});

/** The schedule file, task.yml: everything but what is checked across entries (rules.ts). */
export const scheduleFile: Schema = block(
  {
    variables: may('Variables, for {{name}} in operations.', table(anyText(), 'a map of variables')),
    environments: may(
      'Environment of what the tasks run.',
      table(anyText(), 'a map of environment variables'),
    ),
    default: may(
      'Defaults.',
      block({
        timeout: may('For tasks without one.', duration('positive')),
        step: may('For every step of this file.', block(stepOptions())),
        ...operationDefaults(),
      }),
    ),
    events: may(
      'Name -> what happens on the Consul event of that name.',
      table(event, 'a map of events', 'an event'),
    ),
    tasks: may('Name -> a list of operations.', table(task, 'a map of tasks', 'a task')),
    schedules: may(
      'Events that are fired by the clock, once in the whole cluster.',
      list(cronEntry, 'a list of cron entries'),
    ),
  },
  'a map with "events" and "tasks"',
);

/** A variable may stand there without a value: it is empty. */
function anyText(): Schema {
  return may('', text());
}
