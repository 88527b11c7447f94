import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { interleave, type LogLine, newLines, parseLog } from '../run/log-lines.js';
import { shown } from '../run/names.js';
import { didYouMean } from '../schedule/nearest.js';
import { listLogs, type LogPlace, readLogs } from '../store/logs.js';
import { readEvent } from './event-view.js';
import { resolveId } from './event-id.js';
import { watching } from './follow.js';
import { clean, paint, type Tone } from './paint.js';
import { stampText } from './times.js';
import { widthOf } from './columns.js';
import type { Invocation } from './types.js';

/** Logs are read at the most so often (ms); nodes publish them every two seconds. */
const ROUND = 500;
const QUIET = 30_000;

/** What the tasks of an event printed, on one node or all, interleaved by time. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, io, signal } = invocation;
  const context = invocation.context();
  const { client } = context;
  const id = await resolveId(client, args[0] as string);
  const wanted = filterOf(flags);
  const print = printer(invocation);
  if (flags.follow !== true) {
    const event = await readEvent(context, id);
    const all = await listLogs(client, id);
    const places = all.filter(wanted.takes);
    if (places.length === 0) throw nothing(id, all, wanted, event?.Status);
    const logs = await readLogs(client, id, places);
    print(tailOf(interleave(logs.map((log) => parseLog(log.text, log.no, log.node))), flags.tail));
    return EXIT.done;
  }
  const seen = new Map<string, { index: number; lines: readonly LogLine[]; over: boolean }>();
  let first = true;
  const ended = await watching(
    client,
    [client.keys.resultsOf(id), client.keys.result(id), client.keys.queue],
    signal,
    QUIET,
    async () => {
      // Whether it has ended is asked first: what is read after that is all there is.
      const event = await readEvent(context, id);
      const over = event?.FinishedAt !== undefined;
      const places = (await listLogs(client, id)).filter(
        (place) => wanted.takes(place) && seen.get(nameOf(place))?.over !== true,
      );
      const fresh: (readonly LogLine[])[] = [];
      for (const log of await readLogs(client, id, places)) {
        const before = seen.get(nameOf(log));
        const step = event?.StepResults.find((one) => one.No === log.no);
        const status = step?.Nodes.find((one) => one.Node === log.node)?.Status;
        const done =
          over || (status !== undefined && status !== 'inprogress' && step?.Status !== 'inprogress');
        if (before?.index === log.index) {
          seen.set(nameOf(log), { ...before, over: done });
          continue;
        }
        const lines = parseLog(log.text, log.no, log.node);
        fresh.push(newLines(before?.lines ?? [], lines));
        seen.set(nameOf(log), { index: log.index, lines, over: done });
      }
      const lines = interleave(fresh);
      print(first ? tailOf(lines, flags.tail) : lines);
      if (lines.length > 0) first = false;
      if (over) return event;
      await sleep(ROUND, undefined, { signal }).catch(() => {});
      return undefined;
    },
    (trouble) => io.err(`metronome: ${trouble}: waiting for it`),
  );
  if (ended === undefined) return EXIT.interrupted;
  io.err(
    `metronome: event ${ended.Name} (${id}) ended: ${ended.Status}${ended.Reason === undefined ? '' : `, ${ended.Reason}`}`,
  );
  return EXIT.done;
}

function nameOf({ no, node }: LogPlace): string {
  return `${no}/${node}`;
}

interface Filter {
  readonly steps?: readonly number[];
  readonly nodes?: readonly string[];
  takes(place: LogPlace): boolean;
}

function filterOf(flags: Invocation['flags']): Filter {
  const { step, node } = flags;
  const steps =
    typeof step === 'string'
      ? step.split(',').map((text) => {
          if (!/^\d+$/.test(text))
            throw new InputError(`--step ${shown(text)}: expected a step number from 0`);
          return Number(text);
        })
      : undefined;
  const nodes = typeof node === 'string' ? node.split(',') : undefined;
  return {
    ...(steps === undefined ? {} : { steps }),
    ...(nodes === undefined ? {} : { nodes }),
    takes: (place) => (steps?.includes(place.no) ?? true) && (nodes?.includes(place.node) ?? true),
  };
}

function nothing(
  id: string,
  all: readonly LogPlace[],
  { steps, nodes }: Filter,
  status?: string,
): InputError {
  if (all.length === 0) {
    const why =
      status === 'queued'
        ? 'it waits in the queue'
        : status === 'inprogress'
          ? 'no task has printed anything: -f waits for it'
          : 'no task ran, or they were removed (metronome gc)';
    return new InputError(`event ${id} has no log: ${why}`);
  }
  const known = [...new Set(all.map((place) => place.node))];
  const wrong = nodes?.find((node) => !known.includes(node));
  if (wrong !== undefined) {
    const near = didYouMean(wrong, known);
    return new InputError(
      `event ${id} has no log of node ${shown(wrong)}${near === undefined ? '' : `, ${near}`}`,
      {
        details: [`there are logs of: ${known.slice(0, 30).join(', ')}`],
      },
    );
  }
  const numbers = [...new Set(all.map((place) => place.no))].join(', ');
  return new InputError(
    `event ${id} has no such log: there are logs of steps ${numbers}${steps === undefined ? '' : `, not of ${steps.join(', ')}`}`,
  );
}

function tailOf(lines: readonly LogLine[], tail: unknown): readonly LogLine[] {
  if (tail === undefined) return lines;
  if (typeof tail !== 'string' || !/^\d+$/.test(tail))
    throw new InputError(`--tail ${shown(tail)}: expected a number of lines`);
  return lines.slice(Math.max(0, lines.length - Number(tail)));
}

const NODE_TONES: readonly Tone[] = ['busy', 'good', 'warn', 'bold'];

function printer({ flags, io }: Invocation): (lines: readonly LogLine[]) => void {
  const tones = new Map<string, Tone>();
  let width = 0;
  return (lines) => {
    for (const line of lines) width = Math.max(width, widthOf(`${line.node} ${line.no}`));
    for (const line of lines) {
      if (flags.json === true) {
        const { no: Step, node: Node, time: Time, level: Level, text: Text } = line;
        io.out(`${JSON.stringify({ Step, Node, Time, Level, Text })}\n`);
        continue;
      }
      const name = `${line.node} ${line.no}`;
      let tone = tones.get(line.node);
      if (tone === undefined)
        tones.set(line.node, (tone = NODE_TONES[tones.size % NODE_TONES.length] ?? 'plain'));
      const head = paint(name + ' '.repeat(Math.max(0, width - widthOf(name))), tone, io.colour);
      const time = paint(stampText(line.time, { utc: flags.utc === true }), 'dim', io.colour);
      const level =
        line.level === '' || line.level === 'INFO'
          ? ''
          : `${paint(line.level, line.level === 'ERROR' ? 'bad' : 'warn', io.colour)} `;
      io.out(`${head} | ${time} ${level}${clean(line.text)}\n`);
    }
  };
}
