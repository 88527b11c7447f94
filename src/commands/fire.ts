import { randomUUID } from 'node:crypto';
import type { Context } from '../../handlers/context.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { sign, signedEventId } from '../local/signature.js';
import { idFault, nameFault, shown } from '../run/names.js';
import { concurrencyOf, definitionsOf, eventNames } from '../run/plan.js';
import type { QueuedEvent, Rerun } from '../run/types.js';
import { didYouMean } from '../schedule/nearest.js';
import type { Schedule } from '../schedule/types.js';
import { push } from '../store/queue.js';
import { patiently, PUSH } from '../store/retry.js';
import { parseData } from './data.js';
import { action, nudge } from './operator.js';
import { waitForEnd } from './follow.js';
import type { Invocation } from './types.js';

/** Puts an event into the queue, or sends it as a Consul user event. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, io, config } = invocation;
  const name = args[0] as string;
  const fault = nameFault(name);
  if (fault !== undefined) throw new InputError(`${shown(name)} is no event name: it ${fault}`);
  const data = parseData(flags.data);
  const id = flags.id;
  if (id !== undefined) {
    const wrong = idFault(id);
    if (wrong !== undefined) throw new InputError(`--id ${shown(id)} ${wrong}`);
  }
  const context = invocation.context();
  if (flags['consul-event'] === true) {
    if (flags.data !== undefined || id !== undefined)
      throw new InputError('--consul-event: a Consul user event carries neither --data nor --id');
    // Each node says for itself whether it knows the event: a machine without schedule files may send it too.
    if (config.files.length > 0) await definedHere(context, name);
    if (flags['dry-run'] === true) return dryRun(invocation, name);
    return consulEvent(invocation, context, name);
  }
  const schedules = await definedHere(context, name);
  if (flags['dry-run'] === true) return dryRun(invocation, name);
  const fired = await queueEvent(invocation, schedules, {
    name,
    id: typeof id === 'string' ? id : randomUUID(),
    data,
    what: 'fire',
  });
  if (flags.wait === true) {
    if (flags.json !== true && !io.terminal) io.out(`${name} ${fired.id}: ${fired.outcome}\n`);
    return waitForEnd(invocation, fired.id);
  }
  tellFired(invocation, name, fired);
  return EXIT.done;
}

export interface Fired {
  readonly id: string;
  /** known: an event of this id was queued or has run before. */
  readonly outcome: 'queued' | 'known';
}

export function tellFired({ flags, io }: Invocation, name: string, { id, outcome }: Fired): void {
  if (flags.json === true) io.out(`${JSON.stringify({ ID: id, Name: name, Outcome: outcome }, null, 2)}\n`);
  else io.out(`${name} ${id}: ${outcome}\n`);
}

/** Queues an event and lets it start if its turn has come. */
export async function queueEvent(
  invocation: Invocation,
  schedules: readonly Schedule[],
  event: {
    readonly name: string;
    readonly id: string;
    readonly data: Readonly<Record<string, string>>;
    readonly payload?: string;
    readonly rerun?: Rerun;
    readonly what: string;
  },
): Promise<Fired> {
  const context = invocation.context();
  const by = await patiently(() => context.node(), { ...PUSH, signal: context.signal });
  const { group, limit, cancelInProgress } = concurrencyOf(schedules, event.name);
  const now = context.now();
  const queued: QueuedEvent = {
    ID: event.id,
    Name: event.name,
    Payload: event.payload ?? '',
    LTime: 0,
    Data: event.data,
    Group: group,
    Limit: limit,
    ...(cancelInProgress ? { CancelInProgress: true } : {}),
    Seq: 0,
    QueuedAt: { at: now, by },
    ...(event.rerun === undefined ? {} : { Rerun: event.rerun }),
    Actions: [action(event.what, invocation, now)],
  };
  let tried = 0;
  const [outcome = 'known'] = await patiently(
    () => {
      tried += 1;
      return push(context.client, [queued]);
    },
    { ...PUSH, signal: context.signal },
  );
  await nudge(context);
  // An answer that never came is not a failure: with an id of its own making it was this call that queued it.
  const own = tried > 1 && invocation.flags.id === undefined;
  return { id: event.id, outcome: own ? 'queued' : outcome };
}

/** The schedules of this node's files, which define the event; otherwise InputError with the names that there are. */
export async function definedHere(context: Context, name: string): Promise<readonly Schedule[]> {
  const { config } = context;
  if (config.files.length === 0)
    throw new InputError(
      `no schedule file here, so nobody can say what ${shown(name)} is: set "files", or --files`,
    );
  const { schedules, problems } = await context.schedules();
  if (definitionsOf(schedules, name).length > 0 && problems.length === 0) return schedules;
  const first = problems[0];
  if (first !== undefined)
    throw new InputError(
      `a schedule file is broken, and nothing starts until it is mended: ${first.place.file}:${first.place.line}:${first.place.column}: ${first.message} (metronome validate names every problem)`,
    );
  const names = eventNames(schedules);
  const near = didYouMean(name, names);
  throw new InputError(
    `no schedule file defines event ${shown(name)}${near === undefined ? '' : `, ${near}`}`,
    {
      details: names.length === 0 ? [] : [`defined are: ${names.join(', ')}`],
    },
  );
}

async function consulEvent(invocation: Invocation, context: Context, name: string): Promise<ExitCode> {
  const { config, flags, io } = invocation;
  const payload =
    config.eventKey === undefined ? (config.token ?? '') : sign(name, '', config.eventKey, context.now());
  const sent = await context.client.call<{ ID: string }>(
    `fire event ${name}`,
    (consul, options) => consul.event.fire({ name, payload, ...options } as never),
    `event:write on "${name}"`,
  );
  // A signed event's id is made from its signature, so that a copy of it is the same event.
  const id = (config.eventKey === undefined ? undefined : signedEventId(payload)) ?? sent.ID;
  const fired = { ID: id, Name: name, Outcome: 'sent' };
  if (flags.wait === true) {
    if (flags.json !== true) io.out(`${name} ${id}: sent\n`);
    return waitForEnd(invocation, id);
  }
  io.out(flags.json === true ? `${JSON.stringify(fired, null, 2)}\n` : `${name} ${id}: sent\n`);
  return EXIT.done;
}

async function dryRun(invocation: Invocation, name: string): Promise<ExitCode> {
  try {
    return await (await import('./plan.js')).run({ ...invocation, args: [name] });
  } finally {
    if (invocation.flags.json !== true) invocation.io.out('nothing was queued (--dry-run)\n');
  }
}
