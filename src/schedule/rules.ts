import { add, type Fault, fault, missing, warning } from './fault.js';
import { OPERATION_NAMES } from './schema-operation.js';
import { operationFaults } from './rules-operation.js';
import { stepFaults } from './rules-step.js';
import { parseTimeOfDay } from './days.js';
import { didYouMean } from './nearest.js';
import { entriesOf, get, itemsOf, textOf } from './read.js';
import { WITHOUT_EFFECT } from './schema.js';
import { type Branch, joinPath } from './tree.js';

export { checkSchedules } from './across.js';

/**
 * What is wrong across the entries of one file. Works on the tree, not on the finished schedule, so that it also speaks
 * when the schema has found problems elsewhere; where a value has the wrong type it keeps silent, the schema has spoken.
 */
export function ruleFaults(root: Branch): Fault[] {
  const tasks = new Map(entriesOf(get(root, 'tasks')));
  const known: Tasks = { has: (name) => tasks.has(name), near: nearTask([...tasks.keys()]) };
  const faults: Fault[] = [];
  const events = get(root, 'events');
  if (events === undefined || events.entries?.size === 0)
    faults.push(
      warning(events?.keyAt ?? root.at, 'events', 'no event is defined here: the file has no effect'),
    );
  for (const [name, event] of entriesOf(events))
    add(faults, eventFaults(joinPath('events', name), event, root, known));
  for (const [name, task] of tasks) add(faults, taskFaults(joinPath('tasks', name), task, root));
  return faults;
}

function eventFaults(path: string, event: Branch, root: Branch, tasks: Tasks): Fault[] {
  const faults: Fault[] = [];
  const task = get(event, 'task');
  const ordered = get(event, 'ordered_tasks');
  if (task !== undefined && ordered !== undefined)
    faults.push(
      warning(
        ordered.keyAt,
        `${path}.ordered_tasks`,
        'ordered_tasks: without effect, because "task" stands above it',
        'remove one of the two',
      ),
    );
  // What is no map has been reported; a missing value (`configure:`) is no map either, and not reported.
  else if (task === undefined && ordered === undefined && event.entries !== undefined)
    faults.push(missing(event.keyAt, path, 'expected "task" or "ordered_tasks", found neither'));
  if (ordered?.items?.length === 0)
    faults.push(
      fault(
        ordered.at,
        `${path}.ordered_tasks`,
        'ordered_tasks: expected at least one step, found an empty list',
      ),
    );
  if (task?.text !== undefined && !tasks.has(task.text))
    faults.push(unknownTask(task, `${path}.task`, tasks));
  const defaults = get(get(root, 'default'), 'step');
  const all = new Set(
    ['ordered_tasks', 'rescue', 'always'].flatMap((key) =>
      itemsOf(get(event, key)).map((item) => textOf(get(item, 'task'))),
    ),
  );
  const before = new Set(task?.text === undefined ? [] : [task.text]);
  for (const key of ['ordered_tasks', 'rescue', 'always']) {
    if (key === 'ordered_tasks' && task !== undefined) continue;
    for (const [no, step] of itemsOf(get(event, key)).entries()) {
      const inner = joinPath(`${path}.${key}`, no);
      const named = get(step, 'task');
      if (named?.text !== undefined && !tasks.has(named.text))
        faults.push(unknownTask(named, `${inner}.task`, tasks));
      add(faults, stepFaults(inner, step, defaults));
      add(faults, laterSteps(inner, step, all, before));
      if (named?.text !== undefined) before.add(named.text);
    }
  }
  add(faults, windowFaults(`${path}.window`, get(event, 'window')));
  return faults;
}

/** The tasks of a file, by name, and a hint for a name that is none of them. */
interface Tasks {
  has(name: string): boolean;
  near(name: string): string | undefined;
}

/** Hints until so many names were compared: a large file that is all wrong must not take minutes. */
const MOST_COMPARISONS = 200_000;

function nearTask(names: readonly string[]): Tasks['near'] {
  let compared = 0;
  return (name) => {
    if (names.length === 0) return 'the file defines no task';
    if (compared + names.length > MOST_COMPARISONS) return undefined;
    compared += names.length;
    return didYouMean(name, names);
  };
}

function unknownTask(branch: Branch, path: string, tasks: Tasks): Fault {
  const hint = tasks.near(branch.text ?? '');
  return fault(branch.at, path, `task: no task "${branch.text}" is defined in this file`, hint);
}

/** `when.steps` on a step of this event that comes later here; one that another file may bring is judged across files. */
function laterSteps(
  path: string,
  step: Branch,
  all: ReadonlySet<string | undefined>,
  before: ReadonlySet<string>,
): Fault[] {
  return entriesOf(get(get(step, 'when'), 'steps')).flatMap(([name, branch]) =>
    all.has(name) && !before.has(name)
      ? [
          fault(
            branch.keyAt,
            joinPath(`${path}.when.steps`, name),
            `when.steps: the task "${name}" runs at this step or later, not before it`,
            before.size === 0
              ? 'this is the first step'
              : `earlier steps run: ${[...before].slice(-10).join(', ')}`,
          ),
        ]
      : [],
  );
}

function windowFaults(path: string, window: Branch | undefined): Fault[] {
  const start = get(window, 'start');
  const end = get(window, 'end');
  const from = parseTimeOfDay(textOf(start) ?? '00:00');
  const to = parseTimeOfDay(textOf(end) ?? '24:00');
  if (window?.entries === undefined || from === undefined || to === undefined) return [];
  if (from === to)
    return [
      fault(
        (end ?? start ?? window).at,
        `${path}.end`,
        'window: start and end are the same: expected a window that is not empty',
        'leave both out for the whole day',
      ),
    ];
  if (from === 1440)
    return [fault((start ?? window).at, `${path}.start`, 'start: expected a time before 24:00')];
  return [];
}

function taskFaults(path: string, task: Branch, root: Branch): Fault[] {
  const faults: Fault[] = [];
  for (const key of WITHOUT_EFFECT) {
    const branch = get(task, key);
    if (branch !== undefined)
      faults.push(
        warning(branch.keyAt, `${path}.${key}`, `${key}: without effect on a task`, effectHint(key)),
      );
  }
  const operations = get(task, 'operations');
  if (task.entries !== undefined && (operations === undefined || operations.items?.length === 0))
    faults.push({
      ...warning(
        task.keyAt,
        path,
        'the task has no operations: it does nothing',
        `operations are: ${OPERATION_NAMES.join(', ')}`,
      ),
      missing: true,
    });
  for (const [no, item] of itemsOf(operations).entries())
    add(faults, operationFaults(joinPath(`${path}.operations`, no), item, get(root, 'default')));
  return faults;
}

function effectHint(key: string): string {
  return key === 'service' || key === 'tag' ? `set "${key}" on the step, in ordered_tasks` : 'remove it';
}
