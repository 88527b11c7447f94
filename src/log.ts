/** Lines about what metronome does, for the journal or a log collector: to standard error, never to standard output. */
export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface LoggerOptions {
  readonly format: 'text' | 'json';
  readonly debug: boolean;
  /** Texts that must never appear; replaced by `[hidden]`. */
  readonly secrets: readonly string[];
  readonly now: () => Date;
  readonly write: (line: string) => void;
  /** The journal knows the time and takes the level from a `<4>` before the line (sd-daemon). */
  readonly journal?: boolean;
}

const PRIORITY: Record<Level, number> = { debug: 7, info: 6, warn: 4, error: 3 };

export function createLogger(options: LoggerOptions): Logger {
  const emit = (level: Level, message: string, fields: Readonly<Record<string, unknown>> = {}) => {
    if (level === 'debug' && !options.debug) return;
    const text = hide(message, options.secrets);
    if (options.format === 'json') {
      options.write(
        hide(
          JSON.stringify({ time: options.now().toISOString(), level, message: text, ...fields }),
          options.secrets,
        ),
      );
    } else if (options.journal) {
      options.write(`<${PRIORITY[level]}>${text}`);
    } else {
      options.write(`${options.now().toISOString()} [${level.toUpperCase().padEnd(5)}] ${text}`);
    }
  };
  return {
    debug: (message, fields) => emit('debug', message, fields),
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
  };
}

/** A text without the secrets in it. Very short secrets are left: hiding every `a` would hide everything. */
export function hide(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret.length >= 4) clean = clean.replaceAll(secret, '[hidden]');
  }
  return clean;
}

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
