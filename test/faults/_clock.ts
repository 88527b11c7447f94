import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The environment in which a handler sees a clock that is so many ms ahead; its monotonic clock is left alone. */
export function shiftedClock(folder: string, ms: number): NodeJS.ProcessEnv {
  const file = join(folder, `clock${ms}.mjs`);
  writeFileSync(
    file,
    `const RealDate = Date;
const now = () => RealDate.now() + ${ms};
globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(now());
    else super(...given);
  }
  static now() {
    return now();
  }
};
`,
  );
  return { NODE_OPTIONS: `--import=${file}` };
}
