import { GLOBAL_FLAGS } from '../config.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { shown } from '../run/names.js';
import { COMMANDS } from './table.js';
import type { FlagSpec, Invocation } from './types.js';

type Flag = Pick<FlagSpec, 'name' | 'kind' | 'description' | 'short'>;

/** Words that follow a command, where they are known beforehand. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  help: COMMANDS.map((command) => command.name),
  completion: ['bash', 'zsh', 'fish'],
  queue: ['rm', 'move'],
};
/** Commands whose arguments are files. */
const FILES: readonly string[] = ['validate'];

/** The script for a shell, made from the command table. */
export async function run({ args, io }: Invocation): Promise<ExitCode> {
  const [shell] = args;
  const script = shell === 'bash' ? bash() : shell === 'zsh' ? zsh() : shell === 'fish' ? fish() : undefined;
  if (script === undefined)
    throw new InputError(`no completion for ${shown(shell)}: expected bash, zsh or fish`);
  io.out(script);
  return EXIT.done;
}

function flagsOf(flags: readonly Flag[]): string[] {
  return flags.flatMap((flag) => [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])]);
}

function valued(): string[] {
  const all = [...GLOBAL_FLAGS, ...COMMANDS.flatMap((command) => command.flags)];
  return [...new Set(all.filter((flag) => flag.kind !== 'boolean').map((flag) => `--${flag.name}`))];
}

function bash(): string {
  const cases = COMMANDS.map((command) => {
    const words = [...(WORDS[command.name] ?? []), ...flagsOf(command.flags)].join(' ');
    const files = FILES.includes(command.name) ? 'files=1; ' : '';
    return `    ${command.name}) ${files}words="${words}" ;;`;
  });
  return `# bash completion of metronome: source <(metronome completion bash)
_metronome() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" files="" at=1
  while [ "$at" -lt "$COMP_CWORD" ]; do
    case "\${COMP_WORDS[at]}" in
      ${valued().join('|')}) at=$((at + 1)) ;;
      -*) ;;
      *) command="\${COMP_WORDS[at]}"; break ;;
    esac
    at=$((at + 1))
  done
  case "$before" in
    ${valued().join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case "$command" in
    "") words="${COMMANDS.map((command) => command.name).join(' ')}" ;;
${cases.join('\n')}
  esac
  case "$current" in
    -*) words="$words ${flagsOf(GLOBAL_FLAGS).join(' ')} --help" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$current")); fi
}
complete -F _metronome metronome
`;
}

function zsh(): string {
  const quoted = (text: string) => text.replaceAll("'", "'\\''");
  const bracketed = (text: string) => quoted(text.replace(/[[\]:\\]/g, (character) => `\\${character}`));
  const spec = (flag: Flag) => {
    const value = flag.kind === 'boolean' ? '' : ':value:_files';
    const names = [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
    return names.map(
      (name) => `'${flag.kind === 'list' ? '*' : ''}${name}[${bracketed(flag.description)}]${value}'`,
    );
  };
  const cases = COMMANDS.map((command) => {
    const words = WORDS[command.name];
    const rest = FILES.includes(command.name)
      ? "'*:file:_files'"
      : words === undefined
        ? "'*: :'"
        : `'*: :(${words.join(' ')})'`;
    return `      ${command.name}) _arguments ${[...command.flags.flatMap(spec), '$globals', rest].join(' ')} ;;`;
  });
  return `#compdef metronome
# zsh completion of metronome: source <(metronome completion zsh)
_metronome() {
  local -a commands globals
  commands=(
${COMMANDS.map((command) => `    '${command.name}:${bracketed(command.summary)}'`).join('\n')}
  )
  globals=(${GLOBAL_FLAGS.flatMap(spec).join(' ')})
  local context state state_descr line
  typeset -A opt_args
  _arguments -C $globals '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest) case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}
compdef _metronome metronome
`;
}

function fish(): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const flag = (one: Flag, condition: string) =>
    `complete -c metronome ${condition}-l ${one.name}${one.short === undefined ? '' : ` -s ${one.short}`}${one.kind === 'boolean' ? '' : ' -r'} -d ${quoted(one.description)}`;
  const lines = [
    '# fish completion of metronome: metronome completion fish > ~/.config/fish/completions/metronome.fish',
    'complete -c metronome -f',
    ...COMMANDS.map(
      (command) =>
        `complete -c metronome -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`,
    ),
    ...GLOBAL_FLAGS.map((one) => flag(one, '')),
  ];
  for (const command of COMMANDS) {
    const condition = `-n '__fish_seen_subcommand_from ${command.name}' `;
    for (const one of command.flags) lines.push(flag(one, condition));
    const words = WORDS[command.name];
    if (words !== undefined) lines.push(`complete -c metronome ${condition}-a '${words.join(' ')}'`);
    if (FILES.includes(command.name)) lines.push(`complete -c metronome ${condition}-F`);
  }
  return `${lines.join('\n')}\n`;
}
