import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { ServiceOperation } from '../schedule/types.js';
import { checkArgument, type Perform, runProgram } from './operation.js';

/**
 * `service: {name, action}`: `systemctl ACTION NAME`, or `service NAME ACTION` where `service-manager` is `init`
 * (from PATH, else /sbin/service: timers and Consul often give a PATH without /sbin). `{{…}}` is replaced in both.
 */
export const perform: Perform<ServiceOperation> = async (operation, context) => {
  const name = checkArgument('name', context.text(operation.name));
  const action = checkArgument('action', context.text(operation.action));
  if (context.task.config.serviceManager === 'systemd')
    await runProgram({ program: 'systemctl', arguments: [action, name] }, context);
  else {
    const program = onPath('service', context.environment.PATH) ?? '/sbin/service';
    await runProgram({ program, arguments: [name, action] }, context);
  }
  return undefined;
};

function onPath(name: string, path = ''): string | undefined {
  return path
    .split(':')
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
