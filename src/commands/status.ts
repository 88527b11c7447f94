import { EXIT, type ExitCode, InputError } from '../errors.js';
import { readEventIds, readEventResults } from '../store/history.js';
import { type Cell, table } from './columns.js';
import { resolveId, shortIds } from './event-id.js';
import { type EventView, type Known, type Overview, readEvent, readOverview } from './event-view.js';
import { followEvent, waitForEnd, watching } from './follow.js';
import { bar } from './progress.js';
import { statusWord, toneOf } from './paint.js';
import { createScreen } from './screen.js';
import { showEvent, type ShowStyle, spanText } from './show-event.js';
import { headOf, timeText } from './times.js';
import type { Invocation } from './types.js';

/** So many that ended last are shown beside those that run and wait. */
const ENDED = 10;

/** What runs, what waits and what ended last; or one event. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, io } = invocation;
  const context = invocation.context();
  if (args[0] !== undefined && flags.last === true)
    throw new InputError('give an ID or --last, not both: metronome help status');
  const id = flags.last === true ? await lastId(invocation) : args[0];
  if (id === undefined) {
    if (flags.wait === true) throw new InputError('--wait waits for one event: give its ID, or --last');
    return flags.watch === true ? watchAll(invocation) : all(invocation);
  }
  const full = flags.last === true ? id : await resolveId(context.client, id);
  if (flags.wait === true) return waitForEnd(invocation, full);
  if (flags.watch === true) {
    const event = await followEvent(invocation, full, { silent: flags.json === true });
    if (event !== undefined && flags.json === true) io.out(`${JSON.stringify(event, null, 2)}\n`);
    return event === undefined ? EXIT.interrupted : EXIT.done;
  }
  const event = await readEvent(context, full);
  if (event === undefined)
    throw new InputError(`no event ${full}: metronome status and metronome history show what there is`);
  if (flags.json === true) io.out(`${JSON.stringify(event, null, 2)}\n`);
  else for (const line of showEvent(event, styleOf(invocation))) io.out(`${line}\n`);
  return EXIT.done;
}

/** The event that started last; where none has started, the one queued last. */
export async function lastId({ context }: Invocation): Promise<string> {
  const { client } = context();
  const [last] = await readEventResults(client, await readEventIds(client));
  if (last !== undefined) return last.ID;
  const queued = (await client.keysBelow(client.keys.queue)).at(-1);
  if (queued === undefined) throw new InputError('no event yet: metronome fire EVENT starts one');
  return queued.slice(client.keys.queue.length);
}

/** What is shown of events: times, colours and width, as flags and terminal say. In a pipe nothing is wrapped. */
export function styleOf({ flags, io, context }: Invocation): ShowStyle {
  return {
    columns: io.terminal ? io.columns : Number.POSITIVE_INFINITY,
    colour: io.colour,
    clock: { utc: flags.utc === true, now: context().now() },
    nodes: flags.nodes === true,
  };
}

async function all(invocation: Invocation): Promise<ExitCode> {
  const { flags, io } = invocation;
  const overview = await readOverview(invocation.context());
  const finished = overview.finished.slice(0, ENDED);
  if (flags.json === true) io.out(`${JSON.stringify({ ...overview, finished }, null, 2)}\n`);
  else for (const line of showOverview({ ...overview, finished }, styleOf(invocation))) io.out(`${line}\n`);
  return EXIT.done;
}

/** Drawn anew with each change; in a pipe, a document or a block for each. */
async function watchAll(invocation: Invocation): Promise<ExitCode> {
  const { flags, io, signal } = invocation;
  const context = invocation.context();
  const { keys } = context.client;
  const screen = createScreen(io);
  const known: Known = new Map();
  let before = '';
  await watching(
    context.client,
    [keys.progress, keys.queue, keys.controls],
    signal,
    io.terminal ? 1000 : 60_000,
    async () => {
      const overview = await readOverview(context, known);
      const seen = { ...overview, finished: overview.finished.slice(0, ENDED) };
      if (io.terminal && flags.json !== true) screen.draw(showOverview(seen, styleOf(invocation)));
      else {
        const text = JSON.stringify(seen);
        // Spans in words grow with each look: what else changed counts.
        const state = text.replace(/, \d[\d.]* (ms|s|m|h)( \d+ [sm])?/g, '');
        if (state === before) return undefined;
        before = state;
        io.out(
          flags.json === true ? `${text}\n` : `${showOverview(seen, styleOf(invocation)).join('\n')}\n\n`,
        );
      }
      return undefined;
    },
    (trouble) => io.err(`metronome: ${trouble}: waiting for it`),
  );
  return EXIT.interrupted;
}

function showOverview(overview: Overview, style: ShowStyle): string[] {
  const { running, queued, finished } = overview;
  if (running.length + queued.length + finished.length === 0)
    return ['no events yet: metronome fire EVENT starts one'];
  const lines: string[] = [];
  for (const event of running) {
    const [head = ''] = showEvent({ ...event, StepResults: [] }, style);
    lines.push(head, ...showEvent({ ...event, StepResults: [] }, style).slice(1, 2));
    lines.push(`  ${bar(event, { ...style, columns: Math.min(style.columns, 100) - 2 })}`);
  }
  const rest = [...queued, ...finished];
  if (rest.length > 0) {
    if (lines.length > 0) lines.push('');
    lines.push(...showEvents(rest, style));
  }
  return lines;
}

/** Events, one a row: for `status` and `history`. */
export function showEvents(events: readonly EventView[], style: ShowStyle): string[] {
  const narrow = style.columns < 110;
  const short = shortIds(events.map((event) => event.ID));
  return table(
    [
      { head: 'ID' },
      { head: 'EVENT', wraps: 12 },
      { head: 'STATUS' },
      { head: headOf('STARTED', style.clock), wraps: 14 },
      { head: 'TOOK', right: true },
      { head: 'REASON' },
    ],
    events.map((event): (Cell | string)[] => [
      narrow ? (short.get(event.ID) ?? event.ID) : event.ID,
      event.Name,
      { text: statusWord(event.Status), tone: toneOf(event.Status) },
      event.Status === 'queued' ? '' : timeText(event.StartedAt, style.clock),
      event.Status === 'queued' ? '' : spanText(event, style.clock.now),
      event.Waiting ?? event.Reason ?? '',
    ]),
    style,
  );
}
