import type { Problem } from './types.js';

export interface ExcerptOptions {
  /** Colour by escape sequences; only for a terminal. */
  readonly colour: boolean;
  /** Columns; longer source lines are cut around the place. */
  readonly width: number;
}

/** What `metronome validate --json` shows of a problem. */
export interface ProblemJson {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: 'error' | 'warning';
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

export function problemToJson({ place, severity, path, message, hint }: Problem): ProblemJson {
  return {
    file: place.file,
    line: place.line,
    column: place.column,
    severity,
    path,
    message,
    ...(hint === undefined ? {} : { hint }),
  };
}

/** `file:line:column`; the file alone where a problem has no line (the command line, the environment). */
export function placeText({ file, line, column }: Problem['place']): string {
  return line > 0 ? `${file}:${line}:${column}` : file;
}

/**
 * A problem in the manner of compilers: its place, severity, message and path on one line, then the line of the source
 * with a caret below the column, then the hint. Control characters of the source are shown as `·`.
 */
export function formatProblem(
  problem: Problem,
  sourceText: string | undefined,
  options: ExcerptOptions,
): string[] {
  const paint = (code: string, text: string) => (options.colour ? `\u001B[${code}m${text}\u001B[0m` : text);
  const tone = problem.severity === 'error' ? '1;31' : '1;33';
  const path = problem.path === '' ? '' : ` (${visible(problem.path)})`;
  const lines = [
    `${paint('1', visible(placeText(problem.place)))}: ${paint(tone, problem.severity)}: ${visible(problem.message)}${paint('2', path)}`,
  ];
  const { line, column } = problem.place;
  const source = sourceText?.replace(/^\uFEFF/, '').split(/\r?\n/)[line - 1];
  const margin = ' '.repeat(String(line).length);
  if (source !== undefined && source.trim() !== '') {
    const { text, at } = cut(source, column - 1, options.width - margin.length - 5);
    lines.push(
      `  ${paint('2', `${line} |`)} ${text}`,
      `  ${margin} ${paint('2', '|')} ${' '.repeat(at)}${paint(tone, '^')}`,
    );
  }
  if (problem.hint !== undefined) lines.push(`  ${margin} ${paint('2', '=')} ${visible(problem.hint)}`);
  return lines;
}

/** The part of a line around `column` that fits, and where the column is in it, as a terminal shows both. */
function cut(source: string, column: number, width: number): { text: string; at: number } {
  const room = Math.max(20, width);
  const characters = Array.from(source.slice(0, column), visible);
  const rest = Array.from(source.slice(column), visible);
  let text = '';
  let at = 0;
  // From the column backwards, so that it is always in view.
  for (let no = characters.length - 1; no >= 0; no -= 1) {
    const character = characters[no] ?? '';
    if (
      at + cells(character) > room / 2 &&
      textCells(characters.slice(0, no + 1)) + textCells(rest) + at > room
    ) {
      text = `…${text}`;
      at += 1;
      break;
    }
    text = character + text;
    at += cells(character);
  }
  let used = at;
  for (const [no, character] of rest.entries()) {
    if (used + cells(character) > room - 1 && no < rest.length - 1) return { text: `${text}…`, at };
    text += character;
    used += cells(character);
  }
  return { text, at };
}

/** Escape sequences in a hostile file must not reach the terminal. A tab takes one cell here, on both lines. */
function visible(text: string): string {
  return text
    .replaceAll('\t', ' ')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '·');
}

function textCells(characters: readonly string[]): number {
  return characters.reduce((sum, character) => sum + cells(character), 0);
}

/** Columns of a terminal that a character takes: none for combining marks, two for the wide ones of East Asia and emoji. */
function cells(character: string): number {
  if (/^\p{Mark}$/u.test(character)) return 0;
  const code = character.codePointAt(0) ?? 0;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    code >= 0x20000;
  return wide ? 2 : 1;
}
