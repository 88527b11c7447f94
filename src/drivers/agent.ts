/** The resident driver: one process on a node that starts the handlers by itself. The only importer of node-cron's clockwork. */
import { schedule, type ScheduledTask } from 'node-cron';
import { jitterOf } from '../../handlers/cron.js';
import { readSchedules, type ScheduleSet } from '../../handlers/context.js';
import type { Config } from '../config.js';
import { messageOf, MetronomeError } from '../errors.js';
import type { Logger } from '../log.js';
import { openClient } from '../store/client.js';
import { createDrive, type Drive, type InForce } from './drive.js';
import { serveHealth } from './health.js';
import { createMeters } from './meters.js';
import { openNotifier } from './notify.js';
import { pause } from './watching.js';
import { createWorker } from './worker.js';

/** Where nobody says otherwise (ms): those of the configuration. */
const TICK_INTERVAL = 20_000;
const STOP_TIMEOUT = 90_000;

export interface Settings {
  readonly config: Config;
  readonly log: Logger;
}

export interface AgentOptions {
  readonly first: Settings;
  /** Reads the configuration again; throws with every problem when it is broken. */
  reload(): Promise<Settings>;
  /** Calls back with each SIGHUP. */
  onReload(listener: () => void): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Aborted by SIGTERM. */
  readonly signal: AbortSignal;
}

/** Runs until it is told to stop. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { signal, first } = options;
  let inForce: InForce = await putInForce(first);
  for (const line of problemLines(inForce.set)) first.log.error(line);
  if (inForce.set.problems.length > 0)
    first.log.error(
      'nothing is planned until the schedule files are in order: mend them, then reload (SIGHUP)',
    );
  const meters = createMeters({ version: options.version });
  meters.set('started', Date.now() / 1000);
  const notifier = openNotifier(options.env, first.log);
  const drive = createDrive(inForce, meters);
  const status = () =>
    drive.consulUp
      ? `node ${drive.node ?? '?'}, ${inForce.set.schedules.length} schedule files`
      : 'Consul does not answer';
  const health = () => ({
    good: drive.consulUp,
    details: {
      consul: drive.consulUp,
      node: drive.node ?? null,
      executing: drive.executing,
      inbox: drive.inbox,
      scheduleProblems: inForce.set.problems.length,
      version: options.version,
    },
  });
  const metrics = () => {
    meters.set('consul', drive.consulUp ? 1 : 0);
    meters.set('running', drive.executing ? 1 : 0);
    meters.set('problems', inForce.set.problems.length);
    return meters.text();
  };
  const serve = (port: number | undefined) =>
    port === undefined ? Promise.resolve(undefined) : serveHealth(port, health, metrics);

  let server = await serve(first.config.httpPort);
  let clock = startClock(inForce, drive, signal);
  drive.start();

  const reloader = createWorker(async () => {
    notifier.reloading();
    try {
      const next = await putInForce(await options.reload());
      const { config, set, log } = next;
      try {
        if (set.problems.length > 0)
          throw new MetronomeError('the schedule files are broken', undefined, {
            details: problemLines(set),
          });
        if (config.httpPort !== inForce.config.httpPort) {
          const opened = await serve(config.httpPort);
          await server?.close();
          server = opened;
        }
      } catch (error) {
        next.client.close();
        throw error;
      }
      clock.stop();
      inForce = next;
      clock = startClock(next, drive, signal);
      drive.replace(next);
      meters.count('reloads', 'success');
      log.info(`reloaded: ${set.schedules.length} schedule files, ${eventsOf(set)} events`);
    } catch (error) {
      meters.count('reloads', 'error');
      const { log } = inForce;
      log.error(`not reloaded, what was in force before stays so: ${messageOf(error)}`);
      if (error instanceof MetronomeError) for (const detail of error.details) log.error(detail);
    }
    notifier.ready(status());
  });
  options.onReload(() => {
    if (!signal.aborted) reloader.wake();
  });

  await Promise.race([drive.tried, stopped(signal)]);
  if (!signal.aborted) {
    notifier.ready(status());
    first.log.info(
      `the agent is ready: ${status()}, ${eventsOf(inForce.set)} events, a tick every ${(first.config.tickInterval ?? TICK_INTERVAL) / 1000} s`,
    );
  }
  await stopped(signal);
  notifier.stopping();
  clock.stop();
  await reloader.idle();
  await drive.stop(inForce.config.stopTimeout ?? STOP_TIMEOUT);
  await server?.close();
  notifier.close();
  inForce.client.close();
  inForce.log.info('the agent has stopped');
}

async function putInForce({ config, log }: Settings): Promise<InForce> {
  return { config, log, client: openClient(config), set: await readSchedules(config) };
}

function problemLines({ problems }: ScheduleSet): string[] {
  return problems.map(
    ({ place, message, hint }) =>
      `${place.file}:${place.line}:${place.column}: ${message}${hint === undefined ? '' : `; ${hint}`}`,
  );
}

function eventsOf({ schedules }: ScheduleSet): number {
  return new Set(schedules.flatMap((one) => Object.keys(one.events))).size;
}

function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

// The clock -------------------------------------------------------------------------------------------

/**
 * Ticks, and a call at each due second of the files' `schedules`. What is due, and whether another node has fired it,
 * is decided by the handler; where summer time makes node-cron leave a time out, the next tick fires it.
 */
function startClock({ config, set, log }: InForce, drive: Drive, signal: AbortSignal): { stop(): void } {
  const over = new AbortController();
  const quiet = {
    info: (text: string) => log.debug(text),
    warn: (text: string) => log.debug(text),
    error: (what: string | Error) => log.debug(messageOf(what)),
    debug: () => {},
  };
  const interval = config.tickInterval ?? TICK_INTERVAL;
  const common = { noOverlap: true, suppressMissedWarning: true, logger: quiet };
  const tasks: ScheduledTask[] = [
    // Nodes that were started together need not tick together.
    schedule(
      tickPattern(interval, Math.floor((Math.random() * interval) / 1000)),
      () => drive.tick(),
      common,
    ),
    ...set.schedules
      .flatMap((one) => one.schedules)
      .map((entry) =>
        schedule(
          entry.cron,
          async ({ date }) => {
            const due = date.getTime();
            // A timer may come a moment early.
            await pause(
              Math.max(0, due + jitterOf(entry, due) - Date.now()) + 1,
              AbortSignal.any([signal, over.signal]),
            );
            if (!signal.aborted && !over.signal.aborted) drive.fire();
          },
          { ...common, noOverlap: false, timezone: entry.timeZone },
        ),
      ),
  ];
  return {
    stop() {
      over.abort();
      for (const task of tasks) void task.destroy();
    },
  };
}

/** The cron expression of an interval (ms; a part of a minute or of an hour), `offset` seconds late. */
export function tickPattern(interval: number, offset: number): string {
  const seconds = interval / 1000;
  const every = (step: number, from: number, below: number) =>
    Array.from({ length: Math.max(1, below / step) }, (_, at) => (from % step) + at * step).join(',');
  if (seconds < 60) return `${every(seconds, offset, 60)} * * * * *`;
  const minutes = seconds / 60;
  return `${offset % 60} ${every(minutes, Math.floor(offset / 60), 60)} * * * *`;
}
