import type { Operation } from '../schedule/types.js';
import type { OperationContext, OperationResult } from './operation.js';

/**
 * Runs one operation. Each kind has its file, loaded when it is first needed: a handler that has nothing to do, or
 * only runs scripts, does not pay for the others. To add a kind: its type in schedule/types.ts, its keys in
 * schedule/schema-operation.ts, a file here, a line below.
 */
export async function runOperation(
  operation: Operation,
  context: OperationContext,
): Promise<OperationResult> {
  switch (operation.kind) {
    case 'execute':
      return (await import('./execute.js')).perform(operation, context);
    case 'service':
      return (await import('./service.js')).perform(operation, context);
    case 'consul-kvs':
      return (await import('./consul-kvs.js')).perform(operation, context);
    case 'consul-event':
      return (await import('./consul-event.js')).perform(operation, context);
    case 'echo':
      return (await import('./echo.js')).perform(operation, context);
    case 'chef':
      return (await import('./chef.js')).perform(operation, context);
    case 'reboot':
      return (await import('./reboot.js')).perform(operation, context);
    case 'wait-for':
      return (await import('./wait-for.js')).perform(operation, context);
    case 'http':
      return (await import('./http.js')).perform(operation, context);
  }
}
