import type { Io } from './types.js';

/** A block of lines that is drawn in place, the last state of which stays. */
export interface Screen {
  /** `whole`: all lines, even if they are more than the terminal has; they are not drawn over again. */
  draw(lines: readonly string[], whole?: boolean): void;
  end(): void;
}

export function createScreen(io: Io): Screen {
  let height = 0;
  return {
    draw(lines, whole = false) {
      // What has scrolled out of sight cannot be drawn over: a block never grows beyond the terminal.
      const most = Math.max(2, (io.rows ?? 24) - 1);
      const shown =
        whole || lines.length <= most ? lines : [...lines.slice(0, most - 2), '…', lines.at(-1) ?? ''];
      const back = height > 0 ? `\u001b[${height}A\r\u001b[J` : '';
      io.out(`${back}${shown.map((line) => `${line}\n`).join('')}`);
      height = whole ? 0 : shown.length;
    },
    end() {
      height = 0;
    },
  };
}
