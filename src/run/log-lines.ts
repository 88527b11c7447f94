/** The lines of task logs: read, compared with what was shown before, and interleaved by time. Pure. */

export interface LogLine {
  readonly no: number;
  readonly node: string;
  /** RFC 3339; of a line without a time of its own, that of the line before it. */
  readonly time: string;
  /** '' where the line has none. */
  readonly level: string;
  readonly text: string;
}

/** The lines of one log. The original's logs have the same form: time, level in brackets, text. */
export function parseLog(text: string, no: number, node: string): LogLine[] {
  let time = '';
  return text
    .split('\n')
    .filter((line, at, all) => line !== '' || at < all.length - 1)
    .map((line) => {
      const match = /^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) \[(\w+) *\] ?(.*)$/s.exec(line);
      if (match === null) return { no, node, time, level: '', text: line };
      time = match[1] ?? '';
      return { no, node, time, level: match[2] ?? '', text: match[3] ?? '' };
    });
}

/** Lines of several logs by time; lines of one log keep their order, whatever their times. */
export function interleave(logs: readonly (readonly LogLine[])[]): LogLine[] {
  const at = logs.map(() => 0);
  // A line is never shown before one of the same log that has an earlier place.
  const times = logs.map((lines) => {
    let latest = '';
    return lines.map((line) => (latest = line.time > latest ? line.time : latest));
  });
  const all: LogLine[] = [];
  for (;;) {
    let first: number | undefined;
    for (const [log, lines] of logs.entries()) {
      if ((at[log] ?? 0) >= lines.length) continue;
      const time = times[log]?.[at[log] ?? 0] ?? '';
      if (first === undefined || time < (times[first]?.[at[first] ?? 0] ?? '')) first = log;
    }
    if (first === undefined) return all;
    all.push(logs[first]?.[at[first] ?? 0] as LogLine);
    at[first] = (at[first] ?? 0) + 1;
  }
}

/**
 * What of `after` was not in `before`. A log grows at its end; a long one loses lines in its middle, and that of another
 * attempt begins anew: then what is later than the last line shown counts.
 */
export function newLines(before: readonly LogLine[], after: readonly LogLine[]): readonly LogLine[] {
  const last = before.at(-1);
  if (last === undefined) return after;
  const same = (line: LogLine | undefined) => line?.time === last.time && line.text === last.text;
  if (same(after[before.length - 1])) return after.slice(before.length);
  const at = after.findLastIndex(same);
  if (at !== -1) return after.slice(at + 1);
  return after.filter((line) => line.time > last.time);
}
