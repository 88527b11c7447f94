/** Tables that fit the terminal: what does not fit is wrapped, and no cell is ever cut. */
import { clean, paint, type Tone } from './paint.js';

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  readonly head: string;
  readonly right?: true;
  /** May be wrapped down to so many columns; without it the column keeps its width. */
  readonly wraps?: number;
}

export interface Style {
  /** Infinity in a pipe: nothing is wrapped there. */
  readonly columns: number;
  readonly colour: boolean;
}

const GAP = 2;
/** A last column narrower than this is not worth its place: its text goes below the row. */
const LEAST_TAIL = 24;

/**
 * Lines of a table: the heads, then a row for each, with the lines that `details` gives for it. The last column takes what
 * the others leave; where that is too little, its text goes to lines of its own below each row, indented.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly (Cell | string)[])[],
  style: Style,
  details: (at: number) => readonly string[] = () => [],
): string[] {
  const cells = rows.map((row) => columns.map((_, at) => cellOf(row[at] ?? '')));
  const heads = columns.map((column): Cell => ({ text: column.head, tone: 'dim' }));
  const natural = columns.map((_, at) =>
    Math.max(...[heads, ...cells].map((row) => widthOf(row[at]?.text ?? ''))),
  );
  const last = columns.length - 1;
  const fits = sum(natural) + GAP * last <= style.columns;
  const others = fits ? natural.slice(0, last) : shrink(columns, natural.slice(0, last), style.columns);
  const room = Math.min(style.columns - sum(others) - GAP * last, natural[last] ?? 0);
  const wanted = natural[last] ?? 0;
  const beside = fits || room >= Math.min(LEAST_TAIL, wanted) || (room >= 10 && wanted <= 2 * room);
  const shown = beside ? columns : columns.slice(0, last);
  const widths = beside ? [...others, room] : others;
  return [heads, ...cells].flatMap((row, at) => [
    ...lay(shown, row, widths, style),
    ...(beside || at === 0 ? [] : below(row[last] ?? { text: '' }, style)),
    ...(at === 0 ? [] : details(at - 1)),
  ]);
}

/** A text on lines of its own, indented. */
export function below(cell: Cell, style: Style, indent = 4): string[] {
  if (cell.text === '') return [];
  return wrap(clean(cell.text), style.columns - indent).map(
    (line) => `${' '.repeat(indent)}${paint(line, cell.tone ?? 'plain', style.colour)}`,
  );
}

/** Breaks a text at spaces; a word that is longer than a line is broken within. */
export function wrap(text: string, columns: number): string[] {
  const most = Math.max(1, columns);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (widthOf(joined) <= most) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (widthOf(line) > most) {
      const head = cut(line, most);
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  lines.push(line);
  return lines;
}

/** Columns of a terminal: none for combining marks, two for the wide characters of East Asia and emoji. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += cellsOf(character);
  return width;
}

function cellsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/^\p{Mark}$/u.test(character)) return 0;
  return /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]$/.test(
    character,
  ) || code >= 0x1f300
    ? 2
    : 1;
}

/** The beginning of a text that takes so many columns, at least one character of it. */
function cut(text: string, columns: number): string {
  let head = '';
  let width = 0;
  for (const character of text) {
    width += cellsOf(character);
    if (width > columns && head !== '') break;
    head += character;
  }
  return head;
}

/** The widest column that may be wrapped gives way first, a column of the terminal at a time. */
function shrink(columns: readonly Column[], natural: readonly number[], most: number): number[] {
  const widths = [...natural];
  for (;;) {
    if (sum(widths) + GAP * natural.length <= most - LEAST_TAIL) return widths;
    let widest: number | undefined;
    for (const [at, width] of widths.entries()) {
      const column = columns[at];
      if (column?.wraps === undefined || width <= column.wraps) continue;
      if (widest === undefined || width > (widths[widest] ?? 0)) widest = at;
    }
    if (widest === undefined) return widths;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

/** The lines of one row. */
function lay(
  columns: readonly Column[],
  row: readonly Cell[],
  widths: readonly number[],
  style: Style,
): string[] {
  const wrapped = columns.map((_, at) => wrap(row[at]?.text ?? '', widths[at] ?? 1));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_unused, no) => {
    let line = '';
    for (const [at, column] of columns.entries()) {
      const text = wrapped[at]?.[no] ?? '';
      const gap = ' '.repeat(Math.max(0, (widths[at] ?? 0) - widthOf(text)));
      const painted = paint(text, row[at]?.tone ?? 'plain', style.colour);
      line += (at > 0 ? ' '.repeat(GAP) : '') + (column.right ? gap + painted : painted + gap);
    }
    return line.trimEnd();
  });
}

function cellOf(cell: Cell | string): Cell {
  return typeof cell === 'string' ? { text: clean(cell) } : { ...cell, text: clean(cell.text) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
