import {
  batchOf,
  durationOf,
  entriesOf,
  flagOf,
  get,
  itemsOf,
  numberOf,
  numbersOf,
  passingOf,
  percentageOf,
  type Reader,
  record,
  severalOf,
  textOf,
  textsOf,
} from './read.js';
import type { Branch } from './tree.js';
import type { OnLost, StepDefinition, StepOptions, TargetOrder, WaitFor, When } from './types.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] | undefined };

export function buildSteps(branch: Branch | undefined, reader: Reader): StepDefinition[] {
  return itemsOf(branch).map((item) => {
    const service = textOf(get(item, 'service'));
    const tag = textOf(get(item, 'tag'));
    return {
      ...(service === undefined ? {} : { service }),
      ...(tag === undefined ? {} : { tag }),
      task: textOf(get(item, 'task')) ?? '',
      ...buildStepOptions(item),
      place: reader.place(item.at),
    };
  });
}

/** The options that stand there, and no others: absent ones must let `default.step` through. */
export function buildStepOptions(branch: Branch | undefined): StepOptions {
  const duration = (key: string) => durationOf(get(branch, key));
  const flag = (key: string) => flagOf(get(branch, key));
  const number = (key: string) => numberOf(get(branch, key));
  const quorum = get(branch, 'quorum');
  const options: Mutable<StepOptions> = {
    skippable: flag('skippable'),
    startTimeout: duration('start_timeout'),
    stepTimeout: duration('step_timeout'),
    timeout: duration('timeout'),
    lostGrace: duration('lost_grace'),
    onLost: textOf(get(branch, 'on_lost')) as OnLost | undefined,
    grace: duration('grace'),
    serial: severalOf(get(branch, 'serial'))?.map(batchOf),
    order: textOf(get(branch, 'order')) as TargetOrder | undefined,
    canary: number('canary'),
    approve: flag('approve'),
    maxFailPercentage: percentageOf(get(branch, 'max_fail_percentage')),
    anyErrorsFatal: flag('any_errors_fatal'),
    ignoreErrors: flag('ignore_errors'),
    ignoreUnreachable: flag('ignore_unreachable'),
    runOnce: flag('run_once'),
    quorum: quorum === undefined ? undefined : batchOf(quorum),
    healthCheck: flag('health_check'),
    minHealthyTime: duration('min_healthy_time'),
    healthyDeadline: duration('healthy_deadline'),
    waitFor: severalOf(get(branch, 'wait_for'))?.map(buildWaitFor),
    retries: number('retries'),
    retryDelay: duration('retry_delay'),
    retryBackoff: number('retry_backoff'),
    successCodes: numbersOf(get(branch, 'success_codes')),
    when: buildWhen(get(branch, 'when')),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function buildWaitFor(branch: Branch): WaitFor {
  const tag = textOf(get(branch, 'tag'));
  return {
    service: branch.text ?? textOf(get(branch, 'service')) ?? '',
    ...(tag === undefined ? {} : { tag }),
    passing: passingOf(get(branch, 'passing')),
  };
}

function buildWhen(branch: Branch | undefined): When | undefined {
  if (branch === undefined) return undefined;
  const map = (key: string) => {
    const found = get(branch, key);
    return found === undefined
      ? undefined
      : record(entriesOf(found).map(([name, value]) => [name, textsOf(value) ?? []]));
  };
  const when = {
    variables: map('variables'),
    tags: textsOf(get(branch, 'tags')),
    meta: map('meta'),
    steps: map('steps'),
  };
  return Object.fromEntries(Object.entries(when).filter(([, value]) => value !== undefined));
}
