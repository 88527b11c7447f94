#!/usr/bin/env node
/** argv -> configuration -> handler or command -> exit code, in one place. */
import { parseArgs } from 'node:util';
import { createContext, type Context } from '../handlers/context.js';
import { COMMANDS, commandNamed } from './commands/table.js';
import type { Command, FlagValues, Io } from './commands/types.js';
import { type ConfigProblem, GLOBAL_FLAGS, loadConfig, normalizeArgv } from './config.js';
import { EXIT, type ExitCode, InputError, messageOf, MetronomeError } from './errors.js';
import { createLogger, hide } from './log.js';
import { shown } from './run/names.js';
import { openClient } from './store/client.js';

/** Everything of the process that the command line touches: an argument, so that nothing happens at import. */
export interface Surroundings {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly io: Omit<Io, 'colour'>;
  readonly signal: AbortSignal;
}

/** Runs one call; never throws. What is meant for the user goes to `io`; anything unforeseen is said to be a defect. */
export async function main(surroundings: Surroundings): Promise<ExitCode> {
  const { io, env, signal } = surroundings;
  const secrets: string[] = [];
  const say = (line: string) => io.err(`${hide(line, secrets)}\n`);
  let close = () => {};
  try {
    const { command, args, flags, help } = await parseCommandLine(surroundings.argv);
    const colour = io.terminal && (env.NO_COLOR ?? '') === '' && flags.color !== false;
    const streams: Io = { ...io, colour, err: (text) => say(text.replace(/\n$/, '')) };
    if (command === undefined || help) {
      const { helpFor, overview } = await import('./commands/help.js');
      io.out(command === undefined ? overview(io.columns) : helpFor(command, io.columns));
      return EXIT.done;
    }
    const { config, sources, problems } = await loadConfig({
      flags: command.bare ? {} : flags,
      env: command.bare ? {} : env,
      cwd: process.cwd(),
    });
    const errors = command.bare ? [] : problems.filter((problem) => problem.severity === 'error');
    if (errors.length > 0) {
      const [first = '', ...details] = errors.map(problemLine);
      throw new InputError(first, { details });
    }
    if (config.token !== undefined) secrets.push(config.token);
    if (config.eventKey !== undefined) secrets.push(config.eventKey);
    const log = createLogger({
      format: config.logFormat,
      debug: config.debug,
      secrets,
      now: () => new Date(),
      write: (line) => io.err(`${line}\n`),
      journal: env.JOURNAL_STREAM !== undefined && !io.terminal,
    });
    let context: Context | undefined;
    const module = await command.load();
    return await module.run({
      command: command.name,
      args,
      flags,
      config,
      sources,
      io: streams,
      log,
      env,
      signal,
      context() {
        if (context === undefined) {
          const client = openClient(config);
          close = () => client.close();
          context = createContext({ config, client, log, signal });
        }
        return context;
      },
    });
  } catch (error) {
    if (error instanceof MetronomeError) {
      say(`metronome: ${error.message}`);
      for (const detail of error.details) say(`  ${detail}`);
      return error.exitCode;
    }
    if (signal.aborted) return EXIT.interrupted;
    say(`metronome: ${messageOf(error)} (this is a defect of metronome; --debug shows where)`);
    if (surroundings.argv.some((arg) => /^--?debug$/.test(arg)) && error instanceof Error)
      say(error.stack ?? '');
    return EXIT.failed;
  } finally {
    close();
  }
}

/** `file:line:column: message: hint`, or without a place where the command line or the environment is meant. */
function problemLine({ place, message, hint }: ConfigProblem): string {
  const where =
    place.line > 0
      ? `${place.file}:${place.line}:${place.column}: `
      : place.file.includes('/')
        ? `${place.file}: `
        : '';
  return `${where}${message}${hint === undefined ? '' : `; ${hint}`}`;
}

interface Parsed {
  readonly command?: Command;
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly help: boolean;
}

const OWN_FLAGS = [
  { name: 'help', kind: 'boolean', short: 'h', description: 'show help' },
  { name: 'version', kind: 'boolean', short: 'v', description: 'print the version' },
  { name: 'color', kind: 'boolean', description: 'colour; --no-color for none, on a terminal too' },
] as const;

async function parseCommandLine(argv: readonly string[]): Promise<Parsed> {
  const known = [...GLOBAL_FLAGS, ...OWN_FLAGS, ...COMMANDS.flatMap((command) => command.flags)];
  const words = normalizeArgv(argv, known);
  // The first positional is the command: for that, every flag that takes a value must be known.
  const loose = parseArgs({
    args: words,
    options: optionsOf(known),
    strict: false,
    allowNegative: true,
    allowPositionals: true,
    tokens: true,
  });
  const first = loose.tokens.find((token) => token.kind === 'positional');
  if (first === undefined) {
    if (loose.values.version === true)
      return { command: commandNamed('version') as Command, args: [], flags: {}, help: false };
    const stray = loose.tokens.find(
      (token) => token.kind === 'option' && !known.some((flag) => flag.name === token.name),
    );
    if (stray?.kind === 'option')
      throw new InputError(
        await unknown(
          `flag ${stray.rawName}`,
          stray.rawName,
          known.map((flag) => `--${flag.name}`),
          'metronome help',
        ),
      );
    return { args: [], flags: {}, help: true };
  }
  const name = first.value;
  const command = commandNamed(name);
  if (command === undefined)
    throw new InputError(
      await unknown(
        `command ${shown(name)}`,
        name,
        COMMANDS.map((one) => one.name),
        'metronome help',
      ),
    );
  const flags = [...GLOBAL_FLAGS, ...OWN_FLAGS, ...command.flags];
  const rest = [...words.slice(0, first.index), ...words.slice(first.index + 1)];
  try {
    const { values, positionals } = parseArgs({
      args: rest,
      options: optionsOf(flags),
      strict: true,
      allowNegative: true,
      allowPositionals: true,
    });
    if (values.help !== true) checkArguments(command, positionals);
    return { command, args: positionals, flags: values as FlagValues, help: values.help === true };
  } catch (error) {
    if (error instanceof MetronomeError) throw error;
    throw new InputError(await flagError(error, command, flags), { cause: error });
  }
}

function checkArguments(command: Command, positionals: readonly string[]): void {
  const [least, most] = command.args;
  if (positionals.length < least)
    throw new InputError(`metronome ${command.name} needs an argument: metronome ${command.usage}`);
  if (positionals.length > most)
    throw new InputError(
      `metronome ${command.name}: unexpected ${shown(positionals[most])}: metronome ${command.usage}`,
    );
}

async function flagError(
  error: unknown,
  command: Command,
  flags: readonly { name: string }[],
): Promise<string> {
  const { code } = error as { code?: string };
  const text = messageOf(error);
  const flag = /'(-[^' ,]*)/.exec(text)?.[1] ?? '';
  const help = `metronome help ${command.name}`;
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    return unknown(
      `flag ${flag}`,
      flag,
      flags.map((one) => `--${one.name}`),
      help,
    );
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE')
    return `${text.replace(/\.? ?To specify.*$/s, '').replace(/\.$/, '')}: see ${help}`;
  return `${text}: see ${help}`;
}

async function unknown(what: string, name: string, names: readonly string[], help: string): Promise<string> {
  const { suggestion } = await import('./schedule/nearest.js');
  const near = suggestion(name, names);
  return `no ${what}${near === undefined ? '' : `, did you mean ${near}?`} (${help} shows what there is)`;
}

type Kind = 'boolean' | 'string' | 'number' | 'list';

function optionsOf(flags: readonly { name: string; kind: Kind; short?: string }[]) {
  return Object.fromEntries(
    flags.map((flag) => [
      flag.name,
      {
        type: flag.kind === 'boolean' ? ('boolean' as const) : ('string' as const),
        ...(flag.kind === 'list' ? { multiple: true } : {}),
        ...(flag.short === undefined ? {} : { short: flag.short }),
      },
    ]),
  );
}
