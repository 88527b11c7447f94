import { setFlagsFromString } from 'node:v8';
import { loadConfig } from '../config.js';
import { runAgent, type Settings } from '../drivers/agent.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { createLogger } from '../log.js';
import type { Invocation } from './types.js';
import { VERSION } from './version.js';

/**
 * V8 would rather be fast than small: after a thousand events the process holds 134 MB, with these 84 MB, and no
 * event takes longer. Both may be set while the program runs; one that a later V8 does not know changes nothing.
 */
function staySmall(): void {
  setFlagsFromString('--optimize-for-size');
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** The resident driver; ends with 0 when it is told to stop, as service managers expect. */
export async function run({ config, env, flags, io, log, signal }: Invocation): Promise<ExitCode> {
  staySmall();
  const surroundings = { ...env };
  // What tasks start must not speak to systemd in our name.
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
  await runAgent({
    first: { config, log },
    async reload(): Promise<Settings> {
      const loaded = await loadConfig({ flags, env: surroundings, cwd: process.cwd() });
      const errors = loaded.problems.filter((problem) => problem.severity === 'error');
      if (errors.length > 0) {
        throw new InputError('the configuration is broken', {
          details: errors.map(
            ({ place, message, hint }) =>
              `${place.file}:${place.line}:${place.column}: ${message}${hint === undefined ? '' : `; ${hint}`}`,
          ),
        });
      }
      const { token, eventKey, logFormat, debug } = loaded.config;
      return {
        config: loaded.config,
        log: createLogger({
          format: logFormat,
          debug,
          secrets: [token, eventKey].filter((one) => one !== undefined),
          now: () => new Date(),
          write: (line) => io.err(line),
          journal: env.JOURNAL_STREAM !== undefined && !io.terminal,
        }),
      };
    },
    onReload: (listener) => void process.on('SIGHUP', listener),
    env: surroundings,
    version: VERSION,
    signal,
  });
  return EXIT.done;
}
