import { spawn } from 'node:child_process';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/** Tells systemd how the service is (sd_notify); does nothing where systemd did not start us. */
export interface Notifier {
  ready(status: string): void;
  reloading(): void;
  stopping(): void;
  status(text: string): void;
  /** Ends the watchdog's pings. */
  close(): void;
}

const SILENT: Notifier = { ready() {}, reloading() {}, stopping() {}, status() {}, close() {} };

/**
 * Node has no datagram sockets of the Unix kind, so systemd's own `systemd-notify` sends (about 5 ms each; since
 * systemd 246 it waits until the message was taken, so that systemd can tell whose child it was). The unit must
 * say `NotifyAccess=all`. The watchdog's pings come from a timer of this process: they stop when its event loop does.
 */
export function openNotifier(
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
  pid = process.pid,
): Notifier {
  const { NOTIFY_SOCKET: socket, PATH: path, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = env;
  if (socket === undefined || socket === '') return SILENT;
  let complained = false;
  // One after the other: READY must not overtake RELOADING.
  let last: Promise<void> = Promise.resolve();
  const send = (...words: string[]) => {
    last = last.then(
      () =>
        new Promise<void>((resolve) => {
          const complain = (why: string) => {
            if (!complained)
              log.warn(
                `systemd was not told ${words.join(' ')} (systemd-notify ${why}): a unit of Type=notify needs it`,
              );
            complained = true;
            resolve();
          };
          const child = spawn('systemd-notify', words, {
            stdio: 'ignore',
            env: { NOTIFY_SOCKET: socket, PATH: path ?? '/usr/bin:/bin' },
            timeout: 10_000,
          });
          child.once('error', (error) => complain(`cannot be started: ${messageOf(error)}`));
          child.once('close', (code) =>
            code === 0 ? resolve() : complain(`ended with ${code ?? 'a signal'}`),
          );
        }),
    );
  };
  const every = usec !== undefined && (watched ?? String(pid)) === String(pid) ? Number(usec) / 1000 / 3 : 0;
  const pings = every > 0 ? setInterval(() => send('WATCHDOG=1'), every) : undefined;
  return {
    ready: (status) => send('READY=1', `STATUS=${status}`),
    reloading: () => send('RELOADING=1'),
    stopping: () => send('STOPPING=1', 'STATUS=stopping'),
    status: (text) => send(`STATUS=${text}`),
    close: () => clearInterval(pings),
  };
}
