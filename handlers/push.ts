import { timingSafeEqual, createHash } from 'node:crypto';
import { messageOf, MetronomeError, UnreachableError } from '../src/errors.js';
import { dismiss, dismissedIds } from '../src/local/dismissed.js';
import { verify } from '../src/local/signature.js';
import { readSpool, spool, unspool } from '../src/local/spool.js';
import { type ConsulEvent, parseEvents } from '../src/run/events.js';
import { shown } from '../src/run/names.js';
import { concurrencyOf, definitionsOf } from '../src/run/plan.js';
import type { QueuedEvent } from '../src/run/types.js';
import { knownIds, push as pushToQueue } from '../src/store/queue.js';
import { patiently, PUSH } from '../src/store/retry.js';
import type { Context, ScheduleSet } from './context.js';

export interface PushOutcome {
  /** Ids that are in the queue now because of this call. */
  readonly queued: string[];
  /** Ids that were queued, run or dismissed before. */
  readonly known: string[];
  /** Ids of events that no schedule file here defines. */
  readonly dismissed: string[];
  /** Ids kept on the disk for the next tick. */
  readonly spooled: string[];
  /** One line for each event, or the whole input, that was not taken. */
  readonly faults: string[];
}

/** Queues the events that a Consul watch handed over on standard input; the same event from many nodes once. */
export async function push(context: Context, input: string): Promise<PushOutcome> {
  const { events, faults } = parseEvents(input);
  const outcome: PushOutcome = { queued: [], known: [], dismissed: [], spooled: [], faults: [...faults] };
  if (events.length > 0) await take(context, events, outcome, false);
  return outcome;
}

/** Queues what an earlier push had to keep on the disk. Consul not answering leaves it there. */
export async function pushSpooled(context: Context): Promise<PushOutcome> {
  const outcome: PushOutcome = { queued: [], known: [], dismissed: [], spooled: [], faults: [] };
  const spooled = readSpool<ConsulEvent>(context.config.stateDir, parseSpooled, (line) =>
    context.log.error(line),
  );
  if (spooled.length === 0) return outcome;
  spooled.sort((a, b) => a.value.ltime - b.value.ltime);
  await take(
    context,
    spooled.map((one) => one.value),
    outcome,
    true,
  );
  for (const { file, value } of spooled) {
    if (!outcome.spooled.includes(value.id)) unspool(file);
  }
  return outcome;
}

/** @param trusted the events come from our own spool: their token was checked before they were kept (without it). */
async function take(
  context: Context,
  events: readonly ConsulEvent[],
  outcome: PushOutcome,
  trusted: boolean,
): Promise<void> {
  const { config, log } = context;
  const dismissedBefore = dismissedIds(config.stateDir);
  const authentic: ConsulEvent[] = [];
  for (const event of events) {
    const checked = trusted ? event : authenticate(context, event);
    if (dismissedBefore.has(event.id)) outcome.known.push(event.id);
    else if (checked === 'expired') outcome.dismissed.push(event.id);
    else if (typeof checked === 'string')
      outcome.faults.push(`event ${shown(event.name)} (${event.id}) is refused: ${checked}`);
    else if (dismissedBefore.has(checked.id)) outcome.known.push(checked.id);
    else authentic.push(checked);
  }
  const fresh = await withoutKnown(context, authentic, outcome);
  if (fresh.length === 0) return;
  const set = await context.schedules();
  const defined: ConsulEvent[] = [];
  const undefinedIds: string[] = [];
  const unclear: ConsulEvent[] = [];
  for (const event of fresh) {
    if (definitionsOf(set.schedules, event.name).length > 0) defined.push(event);
    else if (set.problems.length > 0) unclear.push(event);
    else {
      undefinedIds.push(event.id);
      log.info(`event ${shown(event.name)} (${event.id}) is dismissed: no schedule file here defines it`);
    }
  }
  outcome.dismissed.push(...undefinedIds);
  if (defined.length > 0) await queue(context, set, defined, outcome);
  // These last: a full disk must not keep the others from the queue.
  if (undefinedIds.length > 0) dismiss(config.stateDir, undefinedIds);
  keepAll(
    context,
    unclear,
    outcome,
    'a schedule file here is broken, so nobody can say whether it defines the event',
  );
}

async function queue(
  context: Context,
  set: ScheduleSet,
  defined: readonly ConsulEvent[],
  outcome: PushOutcome,
): Promise<void> {
  try {
    const by = await patiently(() => context.node(), patience(context));
    const queued = defined.map((event, seq) => toQueued(set, event, seq, { at: context.now(), by }));
    const outcomes = await patiently(() => pushToQueue(context.client, queued), patience(context));
    for (const [at, result] of outcomes.entries()) {
      const event = queued[at] as QueuedEvent;
      outcome[result].push(event.ID);
      if (result === 'queued') context.log.info(`event ${shown(event.Name)} (${event.ID}) is queued`);
    }
  } catch (error) {
    // Whatever went wrong: until it is queued the event is in nobody's hands but ours.
    keepAll(context, defined, outcome, messageOf(error));
    if (!(error instanceof UnreachableError)) throw error;
  }
}

/** As many as a watch hands over; a larger call is no repetition of what others pushed. */
const LOOKED_UP = 256;

/**
 * Leaves out what others have pushed: on most nodes that is everything, and the schedule files need not be
 * read for it. When Consul does not answer nothing is left out: the push itself decides.
 */
async function withoutKnown(
  context: Context,
  events: readonly ConsulEvent[],
  outcome: PushOutcome,
): Promise<readonly ConsulEvent[]> {
  if (events.length === 0 || events.length > LOOKED_UP) return events;
  try {
    const known = await knownIds(
      context.client,
      events.map((event) => event.id),
    );
    outcome.known.push(...events.filter((event) => known.has(event.id)).map((event) => event.id));
    return events.filter((event) => !known.has(event.id));
  } catch (error) {
    context.log.debug(`what is known already was not looked up: ${messageOf(error)}`);
    return events;
  }
}

/**
 * The event as it may be queued, or why it is refused. With `event-key` its payload must be signed, with a
 * token it must be the token; neither is kept. A good signature that is too old is no fault: Consul hands
 * over old events again when an agent starts.
 */
function authenticate({ config, now, log }: Context, event: ConsulEvent): ConsulEvent | string {
  if (config.eventKey !== undefined) {
    const verified = verify(event.name, event.payload, config.eventKey, now());
    if (verified.ok) return { ...event, id: verified.id, payload: verified.payload };
    if (!verified.expired) return verified.reason;
    log.info(`event ${shown(event.name)} (${event.id}) is dismissed: ${verified.reason}`);
    return 'expired';
  }
  if (config.token === undefined) return event;
  return sameSecret(event.payload, config.token) ? { ...event, payload: '' } : 'its payload is not the token';
}

/** Keeps each that can be kept; the error names all that could not. */
function keepAll(context: Context, events: readonly ConsulEvent[], outcome: PushOutcome, why: string): void {
  const lost = events.flatMap((event) => {
    try {
      keep(context, event, outcome, why);
      return [];
    } catch (error) {
      return [messageOf(error)];
    }
  });
  const [first, ...details] = lost;
  if (first !== undefined) throw new MetronomeError(first, undefined, { details });
}

function keep(context: Context, event: ConsulEvent, outcome: PushOutcome, why: string): void {
  try {
    spool(context.config.stateDir, event.id, event);
  } catch (error) {
    throw new MetronomeError(
      `event ${shown(event.name)} (${event.id}) is LOST on this node: it could not be queued (${why}) nor kept in ${context.config.stateDir} (${messageOf(error)})`,
      undefined,
      { cause: error },
    );
  }
  outcome.spooled.push(event.id);
  context.log.warn(`event ${shown(event.name)} (${event.id}) is kept in the spool for the next tick: ${why}`);
}

function parseSpooled(text: string): ConsulEvent {
  const value = JSON.parse(text) as { id?: unknown; name?: unknown; payload?: unknown; ltime?: unknown };
  const { events, faults } = parseEvents(
    JSON.stringify([{ ID: value.id, Name: value.name, LTime: value.ltime }]),
  );
  const event = events[0];
  if (event === undefined) throw new Error(faults[0] ?? 'is no event');
  if (typeof value.payload !== 'string') throw new Error('has no payload');
  return { ...event, payload: value.payload };
}

function patience(context: Context) {
  return { ...PUSH, signal: context.signal };
}

function toQueued(
  set: ScheduleSet,
  event: ConsulEvent,
  seq: number,
  at: QueuedEvent['QueuedAt'],
): QueuedEvent {
  const { group, limit, cancelInProgress } = concurrencyOf(set.schedules, event.name);
  return {
    ID: event.id,
    Name: event.name,
    Payload: event.payload,
    LTime: event.ltime,
    Data: {},
    Group: group,
    Limit: limit,
    ...(cancelInProgress ? { CancelInProgress: true } : {}),
    Seq: seq,
    QueuedAt: at,
  };
}

/** Compares in constant time, whatever the lengths. */
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
