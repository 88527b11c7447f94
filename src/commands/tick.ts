import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Context } from '../../handlers/context.js';
import { around, tick } from '../../handlers/tick.js';
import { EXIT, type ExitCode, InputError, messageOf, MetronomeError } from '../errors.js';
import { shown } from '../run/names.js';
import { readInbox, wantsExecute } from '../store/inbox.js';
import type { Invocation } from './types.js';

export async function run({ context, flags, signal }: Invocation): Promise<ExitCode> {
  const options = { events: flags.events === true };
  const unit = flags.start;
  if (typeof unit === 'string') await tickAndStart(context(), options, unit);
  else await tick(context(), options);
  return signal.aborted ? EXIT.interrupted : EXIT.done;
}

/**
 * systemd does not start a unit that runs: a tick that executed a long task itself would keep the timer's next ticks
 * away. So it only has the unit started whose business that is, when there is something to execute.
 */
async function tickAndStart(context: Context, options: { events: boolean }, unit: string): Promise<void> {
  if (!/^[A-Za-z0-9:_.@-]+\.service$/.test(unit) || unit.startsWith('-'))
    throw new InputError(
      `--start ${shown(unit)}: expected the name of a service unit, such as metronome-execute.service`,
    );
  // A fault of the look around must not keep this node's work from being done.
  const [looked] = await Promise.allSettled([around(context, options)]);
  const node = await context.node();
  if (wantsExecute(await readInbox(context.client, node))) {
    try {
      await promisify(execFile)('systemctl', ['start', '--no-block', unit]);
    } catch (error) {
      throw new MetronomeError(`systemctl start --no-block ${unit} failed: ${messageOf(error)}`);
    }
  }
  if (looked.status === 'rejected') throw looked.reason;
}
