import { GLOBAL_FLAGS } from '../config.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { shown } from '../run/names.js';
import { suggestion } from '../schedule/nearest.js';
import { COMMANDS, commandNamed } from './table.js';
import type { Command, FlagSpec, Invocation } from './types.js';

export async function run({ args, flags, io }: Invocation): Promise<ExitCode> {
  if (flags.man === true) {
    const { manual } = await import('./man.js');
    io.out(manual());
    return EXIT.done;
  }
  const name = args[0];
  if (name === undefined) {
    io.out(overview(io.columns));
    return EXIT.done;
  }
  const command = commandNamed(name);
  if (command === undefined) {
    const near = suggestion(
      name,
      COMMANDS.map((one) => one.name),
    );
    throw new InputError(`no command ${shown(name)}${near === undefined ? '' : `: did you mean "${near}"?`}`);
  }
  io.out(helpFor(command, io.columns));
  return EXIT.done;
}

/** All commands, by group. */
export function overview(columns: number): string {
  const lines = [
    'metronome orders event processing over the members of a Consul cluster.',
    '',
    'Usage: metronome COMMAND [FLAGS] [ARGUMENTS]',
  ];
  const groups = [...new Set(COMMANDS.map((command) => command.group))];
  const width = Math.max(...COMMANDS.map((command) => command.name.length)) + 2;
  for (const group of groups) {
    lines.push('', `${group}:`);
    for (const command of COMMANDS.filter((one) => one.group === group)) {
      lines.push(...indented(command.name, command.summary, width, columns));
    }
  }
  lines.push(
    '',
    'metronome help COMMAND shows its flags and examples. The schedule file is described in deploy/SCHEDULE.md.',
  );
  return `${lines.join('\n')}\n`;
}

/** Everything about one command. */
export function helpFor(command: Command, columns: number): string {
  const lines = [`metronome ${command.name}: ${command.summary}`, '', `Usage: metronome ${command.usage}`];
  if (command.description.length > 0) lines.push('', ...wrap(command.description.join(' '), columns));
  if (command.flags.length > 0) lines.push('', 'Flags:', ...flagLines(command.flags, columns));
  if (command.examples.length > 0) {
    lines.push('', 'Examples:');
    for (const { call, says } of command.examples) lines.push(`  # ${says}`, `  ${call}`);
  }
  if (!command.bare) lines.push('', 'Flags of every command:', ...flagLines(GLOBAL_FLAGS, columns));
  return `${lines.join('\n')}\n`;
}

function flagLines(
  flags: readonly Pick<FlagSpec, 'name' | 'kind' | 'description' | 'value' | 'default' | 'short'>[],
  columns: number,
): string[] {
  const heads = flags.map(
    (flag) =>
      `${flag.short === undefined ? '' : `-${flag.short}, `}--${flag.name}${flag.kind === 'boolean' ? '' : ` ${flag.value ?? 'VALUE'}`}`,
  );
  const width = Math.min(30, Math.max(...heads.map((head) => head.length)) + 2);
  return flags.flatMap((flag, at) => {
    const rest = flag.default === undefined ? '' : ` (default ${flag.default})`;
    return indented(heads[at] as string, flag.description + rest, width, columns);
  });
}

function indented(head: string, text: string, width: number, columns: number): string[] {
  const lines = wrap(text, Math.max(20, columns - width - 2));
  const first =
    head.length < width
      ? [`  ${head.padEnd(width)}${lines[0] ?? ''}`]
      : [`  ${head}`, `  ${' '.repeat(width)}${lines[0] ?? ''}`];
  return [...first, ...lines.slice(1).map((line) => `  ${' '.repeat(width)}${line}`)];
}

/** Breaks a text at spaces so that no line is longer than `columns`, as far as its words allow. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}
