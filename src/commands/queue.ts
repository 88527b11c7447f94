import { EXIT, type ExitCode, InputError } from '../errors.js';
import { shown } from '../run/names.js';
import { readQueue, rewriteQueued } from '../store/queue.js';
import { table } from './columns.js';
import { resolveId, shortIds } from './event-id.js';
import { type EventView, queuedView, readPresent } from './event-view.js';
import { takeOut } from './cancel.js';
import { action, nudge, TRIES, wentOn } from './operator.js';
import { styleOf } from './status.js';
import { headOf, timeText } from './times.js';
import type { Invocation } from './types.js';

/** `queue`, `queue rm ID…`, `queue move ID --first`. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const [verb, ...ids] = invocation.args;
  if (verb === undefined) return show(invocation);
  if (verb === 'rm' && ids.length > 0) return remove(invocation, ids);
  if (verb === 'move' && ids.length === 1 && invocation.flags.first === true)
    return move(invocation, ids[0] as string);
  if (verb === 'move') throw new InputError('metronome queue move ID --first: give one ID, and --first');
  if (verb === 'rm') throw new InputError('metronome queue rm ID…: give the IDs of the events to take out');
  throw new InputError(`metronome queue ${shown(verb)}: expected rm or move, or nothing to list the queue`);
}

async function show(invocation: Invocation): Promise<ExitCode> {
  const { flags, io } = invocation;
  const context = invocation.context();
  const present = await readPresent(context);
  const queued: EventView[] = [];
  for (const one of present.queue) queued.push(await queuedView(context, present, one));
  const style = styleOf(invocation);
  const short = shortIds(queued.map((event) => event.ID));
  if (flags.json === true) io.out(`${JSON.stringify({ queued }, null, 2)}\n`);
  else if (queued.length === 0) io.out('the queue is empty\n');
  else
    for (const line of table(
      [
        { head: 'PLACE', right: true },
        { head: 'ID' },
        { head: 'EVENT', wraps: 12 },
        { head: 'GROUP', wraps: 8 },
        { head: headOf('QUEUED', style.clock), wraps: 14 },
        { head: 'WAITS' },
      ],
      queued.map((event) => [
        String(event.Place ?? ''),
        style.columns < 110 ? (short.get(event.ID) ?? event.ID) : event.ID,
        event.Name,
        event.Group ?? '',
        timeText(event.QueuedAt, style.clock),
        event.Waiting ?? '',
      ]),
      style,
    ))
      io.out(`${line}\n`);
  return EXIT.done;
}

async function remove(invocation: Invocation, given: readonly string[]): Promise<ExitCode> {
  const { io } = invocation;
  const context = invocation.context();
  const ids: string[] = [];
  for (const text of given) ids.push(await resolveId(context.client, text));
  for (const id of ids) {
    if (!(await takeOut(invocation, id, 'queue rm')) && !(await takeOut(invocation, id, 'queue rm')))
      throw new InputError(
        `event ${id} is not in the queue any more: metronome cancel ${id} ends it if it runs`,
      );
    io.out(`${id}: taken out of the queue\n`);
  }
  await nudge(context);
  return EXIT.done;
}

/** Before all others of its group, those that were moved earlier too. */
async function move(invocation: Invocation, given: string): Promise<ExitCode> {
  const { io } = invocation;
  const context = invocation.context();
  const id = await resolveId(context.client, given);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { queue } = await readQueue(context.client);
    const queued = queue.find(({ event }) => event.ID === id);
    if (queued === undefined) throw new InputError(`event ${id} is not in the queue: it runs or has ended`);
    const said = action('queue move --first', invocation, context.now());
    const event = { ...queued.event, Actions: [...(queued.event.Actions ?? []), said] };
    const flags = Math.max(...queue.map((one) => one.flags)) + 1;
    if (!(await rewriteQueued(context.client, queued, event, flags))) continue;
    await nudge(context);
    io.out(`${queued.event.Name} ${id}: first in the queue\n`);
    return EXIT.done;
  }
  throw wentOn('move', id);
}
