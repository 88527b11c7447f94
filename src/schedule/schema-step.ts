import {
  batch,
  block,
  choice,
  duration,
  factor,
  flag,
  list,
  may,
  must,
  name,
  oneOf,
  oneOrMore,
  percentage,
  type Schema,
  shortOr,
  table,
  text,
  whole,
} from './leaf.js';

const serial = (): Schema => {
  const several = list(batch(), 'a list of batch sizes', 1);
  const single = batch();
  return choice([single, several], (value) => (Array.isArray(value) ? several : single));
};

const passing = (): Schema => {
  const all = oneOf('all');
  const number = whole(1);
  return choice([number, all], (value) => (typeof value === 'string' ? all : number));
};

/** `passing`, as in `wait_for` and in the operation `wait-for`. */
export { passing };

const gate = (): Schema =>
  shortOr(
    name('a service'),
    block({
      service: must('The service to wait for.', name('a service')),
      tag: may('Only instances with this tag.', name('a tag')),
      passing: may('How many instances must be passing: a number, or all of them (default).', passing()),
    }),
  );

const values = () => oneOrMore(text(), 'a value or a list of values');

const when = (): Schema =>
  block({
    variables: may(
      'Variable -> its value on the target, or a list of possible ones.',
      table(values(), 'a map of variables'),
    ),
    tags: may(
      "Tags that the node's instance of the step's service must have, all of them.",
      oneOrMore(name('a tag'), 'a tag or a list of tags'),
    ),
    meta: may(
      "Key of the node's meta data in Consul -> its value, or a list of possible ones.",
      table(values(), 'a map of meta data'),
    ),
    steps: may(
      'Task of an earlier step -> the status it must have, or a list of possible ones.',
      table(
        oneOrMore(oneOf('success', 'error', 'timeout', 'skip', 'cancelled'), 'a status or a list of them'),
        'a map of tasks and status',
        'a task',
      ),
    ),
  });

const exitCodes = () => oneOrMore(whole(0, 255), 'an exit code or a list of them');

/** Keys that repeat a step or an operation when it fails. */
export const retrying = (): Record<string, Schema> => ({
  retries: may('How often to try again after a failure. Default 0.', whole(0, 1000)),
  retry_delay: may('Time between two attempts.', duration('zero')),
  retry_backoff: may('Factor by which the delay grows from one attempt to the next. Default 1.', factor()),
  success_codes: may('Exit codes that count as success. Default 0.', exitCodes()),
});

/** Options of a step, as they may also stand under `default.step`. */
export const stepOptions = (): Record<string, Schema> => ({
  skippable: may(
    'Whether the step is skipped when it has no target; otherwise it times out. Default: the configuration.',
    flag(),
  ),
  start_timeout: may(
    'How long to wait for a target, or for a target that does not answer. Default 120 s.',
    duration('zero'),
  ),
  step_timeout: may('How long the step may take on all its targets. Default 3600 s.', duration('positive')),
  timeout: may("How long the task may take on one target; replaces the task's own.", duration('positive')),
  lost_grace: may(
    'How long a claim may be unheld before its target counts as lost. Default 60 s.',
    duration('positive'),
  ),
  on_lost: may(
    'What becomes of a lost target: it fails (default), is run again, or is held for the operator.',
    oneOf('fail', 'retry', 'hold'),
  ),
  grace: may('Time between TERM and KILL when a task must stop. Default 10 s.', duration('zero')),
  serial: may(
    'Batch size: a number of targets, a percentage, or a list of both whose last entry repeats.',
    serial(),
  ),
  order: may('Order of the targets. Default sorted.', oneOf('sorted', 'reverse_sorted', 'shuffle')),
  canary: may('So many targets first; then approve or min_healthy_time decides.', whole(1)),
  approve: may("Wait for an operator's word before the step starts, or after its canaries.", flag()),
  max_fail_percentage: may('The step fails when more than this percentage of its targets did.', percentage()),
  any_errors_fatal: may('One failed target ends the step: no further batch starts.', flag()),
  ignore_errors: may('Failed targets do not fail the step.', flag()),
  ignore_unreachable: may('Targets whose Consul agent is down do not fail the step.', flag()),
  run_once: may('Run on one target only.', flag()),
  quorum: may('The step starts only with so many targets present: a number or a percentage.', batch()),
  health_check: may("A target is done only when the service's checks on it are passing.", flag()),
  min_healthy_time: may('For how long they must be passing. Default 10 s.', duration('zero')),
  healthy_deadline: may('By when they must be. Default 5 m.', duration('positive')),
  wait_for: may(
    'The step starts when these services are passing.',
    (() => {
      const single = gate();
      const several = list(gate(), 'a list of services', 1);
      return choice([single, several], (value) => (Array.isArray(value) ? several : single));
    })(),
  ),
  ...retrying(),
  when: may('Only targets for which all of this holds; plain equality.', when()),
});

/** An entry of `ordered_tasks`, `rescue` or `always`. */
export const step = (): Schema =>
  block(
    {
      service: may('The service whose nodes the task runs on. Default: every node.', name('a service')),
      tag: may('Only nodes whose instance has this tag.', name('a tag')),
      task: must('The task, from this file.', name('a task')),
      ...stepOptions(),
    },
    'a map with the key "task"',
  );
