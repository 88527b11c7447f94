import { stripVTControlCharacters } from 'node:util';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * The counts of ava's report. Its summary names those that passed only when all did, so passed tests are
 * counted by their own lines. What fails without being a test (a file that does not load, an uncaught
 * exception, a time-out) counts as one failure: the line must not say that nothing failed.
 */
export function countsOf(report: string, good: boolean): Counts {
  const lines = stripVTControlCharacters(report).split('\n');
  const count = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length;
  const summed = (pattern: RegExp) => {
    const last = lines.findLast((line) => pattern.test(line));
    return last === undefined ? 0 : Number(/\d+/.exec(last)?.[0]);
  };
  const passed = summed(/^ {2}\d+ tests? passed\b/) || count(/^ {2}✔ /);
  const failed = summed(/^ {2}\d+ tests? failed\b/) + summed(/^ {2}\d+ hooks? failed\b/);
  const skipped = summed(/^ {2}\d+ tests? skipped\b/);
  return { passed, failed: good ? failed : Math.max(failed, 1), skipped };
}

export function summary({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
