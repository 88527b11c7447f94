import { resolve } from 'node:path';
import type { ExecuteOperation } from '../schedule/types.js';
import { OperationFailure, type Perform, runProgram } from './operation.js';

/**
 * `execute: {file, arguments}` runs a program, `execute: {script}` gives a script to /bin/sh on standard input; both in
 * the schedule file's folder, from which `file` is relative. An exit code that is not among `success_codes` fails the
 * task. With `output: false` what it prints is not logged.
 *
 * `{{…}}` is replaced in `file`, `arguments` and `script`. The event's payload and data are not among the variables:
 * they reach a script through the environment (METRONOME_PAYLOAD, METRONOME_DATA_…), never as text in it.
 */
export const perform: Perform<ExecuteOperation> = async (operation, context) => {
  const { output } = operation;
  if (operation.file !== undefined) {
    // The program's name, not an option: `resolve` makes it a path with a slash in any case.
    const program = resolve(context.task.schedule.folder, context.text(operation.file));
    await runProgram({ program, arguments: operation.arguments.map(context.text), output }, context);
    return undefined;
  }
  if (operation.script === undefined)
    throw new OperationFailure('has neither "file" nor "script"', { final: true });
  const input = context.text(operation.script);
  await runProgram({ program: '/bin/sh', input, output }, context);
  return undefined;
};
