import type { Context } from '../../handlers/context.js';
import type { Config } from '../config.js';
import type { ExitCode } from '../errors.js';
import type { Logger } from '../log.js';

/** A flag of one command, or of all. */
export interface FlagSpec {
  readonly name: string;
  /** boolean flags take no value; `list` may be given several times. */
  readonly kind: 'boolean' | 'string' | 'number' | 'list';
  readonly description: string;
  /** How the value is called in help, e.g. `FILE`. */
  readonly value?: string;
  readonly short?: string;
  readonly default?: string;
}

export type FlagValues = Readonly<Record<string, boolean | string | readonly string[] | undefined>>;

/** The streams of one invocation: arguments, so that tests need no process. */
export interface Io {
  stdin(): Promise<string>;
  out(text: string): void;
  err(text: string): void;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  /** Columns of the terminal; 80 where there is none. */
  readonly columns: number;
  /** Lines of the terminal. */
  readonly rows?: number;
  /** Colour is wanted: a terminal, and neither NO_COLOR nor --no-color. */
  readonly colour: boolean;
}

/** One call of the command line, everything looked up. */
export interface Invocation {
  readonly command: string;
  /** Positional arguments after the command's name. */
  readonly args: readonly string[];
  /** The command's own flags. */
  readonly flags: FlagValues;
  readonly config: Config;
  /** Where each configuration value came from. */
  readonly sources: Readonly<Record<string, string>>;
  readonly io: Io;
  readonly log: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Made when first asked for: a command that needs no Consul opens no connection. */
  context(): Context;
}

export interface CommandModule {
  run(invocation: Invocation): Promise<ExitCode>;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Without `metronome `, e.g. `run EVENT`. */
  readonly usage: string;
  readonly description: readonly string[];
  readonly flags: readonly FlagSpec[];
  readonly examples: readonly { readonly call: string; readonly says: string }[];
  /** Least and most positional arguments. */
  readonly args: readonly [number, number];
  /** Works without configuration (help, version). */
  readonly bare?: true;
  /** In which group of `metronome help` it stands. */
  readonly group: 'Handlers' | 'Operators' | 'Schedule files' | 'Set-up' | 'Other';
  load(): Promise<CommandModule>;
}
