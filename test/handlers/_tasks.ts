/** Texts of schedule files for tests. */

/** An operation that runs these lines; `note WORD` writes to the fleet's ledger. */
export const run = (script: string): string =>
  `
      - execute:
          script: |
            NOTE${script
              .trim()
              .split('\n')
              .map((line) => `\n            ${line}`)
              .join('')}`;

/** A task of these operations; `more` are further keys, indented by four. */
export const task = (name: string, ...operations: string[]): string => `
  ${name}:
    operations:${operations.join('')}`;

/** A task that notes its start and end, with something between. */
export const work = (name: string, between = 'true'): string =>
  task(name, run(`note start\n${between}\nnote end`));
