import { randomUUID } from 'node:crypto';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { shown } from '../run/names.js';
import { plan } from '../run/plan.js';
import { repeat } from '../run/rerun.js';
import type { Rerun, StepSpec } from '../run/types.js';
import { readGiven } from '../store/results.js';
import { resolveId } from './event-id.js';
import { type DetailedEvent, readEvent } from './event-view.js';
import { definedHere, queueEvent, tellFired } from './fire.js';
import { waitForEnd } from './follow.js';
import type { Invocation } from './types.js';

/** Queues an event that has ended anew: all of it, from a step on, or only where it failed. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, config, flags, io } = invocation;
  const context = invocation.context();
  const id = await resolveId(context.client, args[0] as string);
  const event = await readEvent(context, id);
  if (event === undefined) throw new InputError(`no event ${id}: metronome history shows what there is`);
  if (event.FinishedAt === undefined)
    throw new InputError(
      `event ${event.Name} (${id}) has not ended: metronome cancel ${id} ends it, then it can be run again`,
    );
  const schedules = await definedHere(context, event.Name);
  const specs = plan(schedules, event.Name, config.skippable) ?? [];
  const given = await readGiven(context.client, id);
  const rerun = rerunOf(event, specs, given.Rerun, fromOf(flags.from), flags.failed === true);
  if (isPruned(event))
    context.log.warn(`the details of ${id} are removed (gc): if it was fired with data, they are gone`);
  const words = [
    'rerun',
    ...(flags.failed === true ? ['--failed'] : []),
    ...(flags.from === undefined ? [] : [`--from ${rerun.From}`]),
  ];
  const fired = await queueEvent(invocation, schedules, {
    name: event.Name,
    id: randomUUID(),
    data: given.Data,
    payload: given.Payload,
    rerun,
    what: `${words.join(' ')} of ${id}`,
  });
  if (flags.wait === true) {
    if (flags.json !== true && !io.terminal) io.out(`${event.Name} ${fired.id}: ${fired.outcome}\n`);
    return waitForEnd(invocation, fired.id);
  }
  tellFired(invocation, event.Name, fired);
  return EXIT.done;
}

function rerunOf(
  event: DetailedEvent,
  specs: readonly StepSpec[],
  before: Rerun | undefined,
  from: number | undefined,
  failed: boolean,
): Rerun {
  const { ID: id, Name: name } = event;
  const old = {
    id,
    status: event.Status,
    steps: event.StepResults,
    ...(before === undefined ? {} : { rerun: before }),
  };
  if (isPruned(event) && (failed || from !== undefined))
    throw new InputError(
      `the details of event ${name} (${id}) are removed (gc), so nobody knows what failed: metronome rerun ${id} runs all of it`,
    );
  const repeated = repeat(old, specs, { failed, ...(from === undefined ? {} : { from }) });
  if (repeated.ok) return repeated.rerun;
  if (repeated.reason === 'nothing')
    throw new InputError(
      `nothing failed in event ${name} (${id}): metronome rerun ${id} runs all of it again`,
    );
  if (repeated.reason === 'beyond')
    throw new InputError(`--from ${from}: event ${name} has steps 0 to ${specs.length - 1}`);
  throw new InputError(
    `the steps of event ${name} are not what they were: metronome rerun ${id} runs all of them as they are now`,
    { details: repeated.details },
  );
}

/** What gc leaves of an event: its id, name, status and times. */
function isPruned(event: DetailedEvent): boolean {
  return event.StepResults.length === 0 && event.QueuedAt === undefined;
}

function fromOf(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !/^\d+$/.test(value))
    throw new InputError(`--from ${shown(value)}: expected a step number from 0`);
  return Number(value);
}
