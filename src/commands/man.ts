/** The manual page, made from the texts that help shows: one source for both. */
import { GLOBAL_FLAGS } from '../config.js';
import { COMMANDS } from './table.js';
import type { FlagSpec } from './types.js';
import { VERSION } from './version.js';

type Flag = Pick<FlagSpec, 'name' | 'kind' | 'description' | 'value' | 'default'>;

const FILES: readonly (readonly [string, string])[] = [
  ['/etc/metronome/config.yml', 'settings, flat, with the names of the flags'],
  ['/etc/metronome/variables.yml', 'variables that schedule files may leave open'],
  ['/etc/default/metronome', 'environment of the units'],
  ['/var/lib/metronome', 'lockfile, spool and records of running tasks'],
];

const EXITS: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  ['1', 'the run failed'],
  ['2', 'wrong usage or bad input'],
  ['3', 'Consul not reached'],
  ['4', 'timeout'],
  ['130', 'interrupted'],
];

/** roff, for man(7). */
export function manual(): string {
  const lines = [
    `.TH METRONOME 1 "" "metronome ${VERSION}" "User Commands"`,
    '.SH NAME',
    'metronome \\- orders event processing over the members of a Consul cluster',
    '.SH SYNOPSIS',
    '.B metronome',
    '.I COMMAND',
    '[\\fIFLAGS\\fR] [\\fIARGUMENTS\\fR]',
    '.SH DESCRIPTION',
    text(
      'A schedule file says which task runs on the nodes of which service, and in what order, when an event is fired. The nodes keep to it, without a server of its own: all state lives in Consul’s key/value store.',
    ),
    '.SH COMMANDS',
  ];
  for (const command of COMMANDS) {
    lines.push(`.SS metronome ${text(command.usage)}`, `${text(command.summary)}.`);
    if (command.description.length > 0) lines.push('.PP', text(command.description.join(' ')));
    lines.push(...flags(command.flags));
    for (const { call, says } of command.examples)
      lines.push('.PP', `${text(says)}:`, '.PP', '.RS 4', '.nf', text(call), '.fi', '.RE');
  }
  lines.push(
    '.SH OPTIONS',
    'Flags of every command; each but the last three is a key of the configuration file too.',
  );
  lines.push(...flags(GLOBAL_FLAGS));
  lines.push('.SH EXIT STATUS', ...pairs(EXITS), '.SH FILES', ...pairs(FILES));
  return `${lines.join('\n')}\n`;
}

function flags(all: readonly Flag[]): string[] {
  return all.flatMap((flag) => [
    '.TP',
    `\\fB${text(`--${flag.name}`)}\\fR${flag.kind === 'boolean' ? '' : ` \\fI${text(flag.value ?? 'VALUE')}\\fR`}`,
    text(flag.description + (flag.default === undefined ? '' : ` (default ${flag.default})`)),
  ]);
}

function pairs(all: readonly (readonly [string, string])[]): string[] {
  return all.flatMap(([name, says]) => ['.TP', `\\fB${text(name)}\\fR`, text(says)]);
}

/** A line of text: roff reads backslashes, hyphens, and dots and quotes at its beginning. */
function text(plain: string): string {
  const escaped = plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replaceAll('…', '...')
    .replaceAll('“', '\\(lq')
    .replaceAll('”', '\\(rq');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
