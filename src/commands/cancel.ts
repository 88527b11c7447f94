import { EXIT, type ExitCode, InputError } from '../errors.js';
import type { Context } from '../../handlers/context.js';
import type { Control } from '../run/types.js';
import { dismissQueued, readQueue } from '../store/queue.js';
import { readEventResult } from '../store/results.js';
import { type RunView, setControl, snapshot } from '../store/runs.js';
import { resolveId } from './event-id.js';
import { action, nudge, TRIES, wentOn } from './operator.js';
import type { Invocation } from './types.js';

/** Takes events out of the queue, and ends runs: their tasks get TERM, then KILL. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, io } = invocation;
  const context = invocation.context();
  const many = flags.all === true || flags.queued === true;
  if (many === args.length > 0)
    throw new InputError('give the IDs of the events to cancel, or --queued or --all: metronome help cancel');
  const ids: string[] = [];
  if (many) {
    const { queue } = await readQueue(context.client);
    ids.push(...queue.map(({ event }) => event.ID));
    if (flags.all === true) ids.push(...(await snapshot(context.client)).runs.map((view) => view.run.id));
  } else for (const arg of args) ids.push(await resolveId(context.client, arg));
  const done: { ID: string; Name: string; Outcome: string }[] = [];
  for (const id of ids) {
    const outcome = await cancelOne(invocation, context, id, many);
    if (outcome !== undefined) done.push({ ID: id, ...outcome });
  }
  if (done.length > 0) await nudge(context);
  if (flags.json === true) io.out(`${JSON.stringify({ cancelled: done }, null, 2)}\n`);
  else if (done.length === 0) io.out('nothing to cancel\n');
  else for (const { ID, Name, Outcome } of done) io.out(`${Name} ${ID}: ${Outcome}\n`);
  return EXIT.done;
}

/** @param many what has ended meanwhile is no fault: nobody named it. */
async function cancelOne(
  invocation: Invocation,
  context: Context,
  id: string,
  many: boolean,
): Promise<{ Name: string; Outcome: string } | undefined> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { queue } = await readQueue(context.client);
    const queued = queue.find(({ event }) => event.ID === id);
    if (queued !== undefined) {
      if (await takeOut(invocation, id, 'cancel'))
        return { Name: queued.event.Name, Outcome: 'cancelled, it had not started' };
      continue;
    }
    const view = (await snapshot(context.client)).runs.find((one) => one.run.id === id);
    if (view === undefined) {
      const result = await readEventResult(context.client, id);
      // Between queue and run: look again.
      if (result === undefined || result.Status === 'inprogress') continue;
      if (many) return undefined;
      throw new InputError(
        `event ${result.Name} (${id}) has ended already: ${result.Status}, nothing to cancel`,
      );
    }
    const given = view.control?.cancel ?? 0;
    if (given > 0 && invocation.flags.force !== true) {
      if (many) return undefined;
      return {
        Name: view.run.event,
        Outcome: 'is being cancelled already; --force ends its "always" steps too',
      };
    }
    const said = action(given > 0 ? 'cancel --force' : 'cancel', invocation, context.now());
    if (await word(context, view, { cancel: given + 1 }, said))
      return { Name: view.run.event, Outcome: 'cancelled: its tasks are being ended' };
  }
  throw wentOn('cancel', id);
}

/** Takes an event out of the queue with a result that says who did. False: it is no longer there as it was. */
export async function takeOut(invocation: Invocation, id: string, what: string): Promise<boolean> {
  const context = invocation.context();
  const queued = (await readQueue(context.client)).queue.find(({ event }) => event.ID === id);
  if (queued === undefined) return false;
  const said = action(what, invocation, context.now());
  const event = { ...queued.event, Actions: [...(queued.event.Actions ?? []), said] };
  const reason = `taken out of the queue by ${said.user} on ${said.host}${said.reason === undefined ? '' : `: ${said.reason}`}`;
  return dismissQueued(context.client, { ...queued, event }, context.now(), 'cancelled', reason);
}

/** Adds to what operators have said of a run; false: it went on, or somebody else said something. */
export function word(
  context: Context,
  view: RunView,
  change: Partial<Control>,
  said: NonNullable<Control['actions']>[number],
): Promise<boolean> {
  const control: Control = {
    ...view.control,
    ...change,
    actions: [...(view.control?.actions ?? []), said],
  };
  return setControl(context.client, view.run.id, view.index, control, view.controlIndex);
}
