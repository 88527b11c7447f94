import { EXIT, type ExitCode, InputError } from '../errors.js';
import type { Context } from '../../handlers/context.js';
import { readEventResult } from '../store/results.js';
import { readQueue } from '../store/queue.js';
import { type RunView, snapshot } from '../store/runs.js';
import { word } from './cancel.js';
import { resolveId } from './event-id.js';
import { action, nudge, TRIES, wentOn } from './operator.js';
import type { Invocation } from './types.js';

/** `pause ID` and `resume ID`: while a run is paused no new step and no new batch starts; running tasks go on. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { command, args, flags, io } = invocation;
  const context = invocation.context();
  const pause = command === 'pause';
  const id = await resolveId(context.client, args[0] as string);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const view = await runningOne(context, id, command);
    if (view === undefined) continue;
    const already = (view.control?.pause === true) === pause;
    if (!already) {
      const said = action(command, invocation, context.now());
      if (!(await word(context, view, { pause }, said))) continue;
      await nudge(context);
    }
    const outcome = pause
      ? `paused${already ? ' already' : ''}: tasks at work go on, no new step starts`
      : already
        ? 'is not paused'
        : 'goes on';
    if (flags.json === true)
      io.out(`${JSON.stringify({ ID: id, Name: view.run.event, Paused: pause }, null, 2)}\n`);
    else io.out(`${view.run.event} ${id}: ${outcome}\n`);
    return EXIT.done;
  }
  throw wentOn(command, id);
}

/** The run; undefined when it is on its way from the queue. Throws InputError for one that waits or has ended. */
export async function runningOne(context: Context, id: string, what: string): Promise<RunView | undefined> {
  const view = (await snapshot(context.client)).runs.find((one) => one.run.id === id);
  if (view !== undefined) return view;
  const result = await readEventResult(context.client, id);
  if (result !== undefined && result.Status !== 'inprogress')
    throw new InputError(
      `event ${result.Name} (${id}) has ended already: ${result.Status}, nothing to ${what}`,
    );
  const queued = (await readQueue(context.client)).queue.find(({ event }) => event.ID === id);
  if (queued !== undefined)
    throw new InputError(
      `event ${queued.event.Name} (${id}) has not started, so there is nothing to ${what}: metronome cancel ${id} takes it out of the queue`,
    );
  return undefined;
}
