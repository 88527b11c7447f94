/** The exit codes of the command line (README, "Exit codes"). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  timeout: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * An error whose message is written for the user: one line that says what, where and what to do.
 * `cli.ts` prints it without a stack and exits with `exitCode`; any other error is a defect of ours.
 */
export class MetronomeError extends Error {
  override readonly name: string = 'MetronomeError';
  /** Further lines, shown below the message. */
  readonly details: readonly string[];
  constructor(
    message: string,
    readonly exitCode: ExitCode = EXIT.failed,
    options: { cause?: unknown; details?: readonly string[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.details = options.details ?? [];
  }
}

/** Wrong usage, a broken file, hostile input: nothing was written; exit code 2. */
export class InputError extends MetronomeError {
  override readonly name = 'InputError';
  constructor(message: string, options: { cause?: unknown; details?: readonly string[] } = {}) {
    super(message, EXIT.usage, options);
  }
}

/** Consul does not answer, or has no leader, or refuses the certificate: exit code 3, worth a retry. */
export class UnreachableError extends MetronomeError {
  override readonly name = 'UnreachableError';
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, EXIT.unreachable, options);
  }
}

/** Consul says no (403): the message names the missing permission. */
export class PermissionError extends MetronomeError {
  override readonly name = 'PermissionError';
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, EXIT.failed, options);
  }
}

/** The text of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s*\n\s*/g, ' ').trim();
}
