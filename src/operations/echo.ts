import type { EchoOperation } from '../schedule/types.js';
import type { Perform } from './operation.js';

/** `echo: TEXT` logs the text, `{{…}}` replaced. */
export const perform: Perform<EchoOperation> = async (operation, context) => {
  context.task.log.line('INFO', context.text(operation.message));
  return undefined;
};
