import { EXIT, type ExitCode, InputError } from '../errors.js';
import { listLogs, readLogs } from '../store/logs.js';
import { resolveId } from './event-id.js';
import { readEvent } from './event-view.js';
import { reportPage } from './report-page.js';
import type { Invocation } from './types.js';
import { VERSION } from './version.js';

/** One self-contained page about an event. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, io } = invocation;
  const context = invocation.context();
  const { client } = context;
  const id = await resolveId(client, args[0] as string);
  const event = await readEvent(context, id);
  if (event === undefined) throw new InputError(`no event ${id}: metronome history shows what there is`);
  const logs = flags.logs === false ? [] : await readLogs(client, id, await listLogs(client, id));
  io.out(
    reportPage(event, logs, { clock: { utc: flags.utc === true, now: context.now() }, version: VERSION }),
  );
  return EXIT.done;
}
