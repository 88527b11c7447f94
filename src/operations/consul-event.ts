import type { ConsulEventOperation } from '../schedule/types.js';
import { askConsul, checkArgument, type Perform } from './operation.js';

/**
 * `consul-event: {name, filter: {service, tag}}` fires a Consul user event whose payload is the token, by which the
 * handlers that it reaches know it as one of ours. `{{…}}` is replaced in all of them.
 */
export const perform: Perform<ConsulEventOperation> = async (operation, context) => {
  const name = checkArgument('name', context.text(operation.name));
  const { service, tag } = operation.filter;
  const filter = {
    ...(service === undefined ? {} : { service: context.text(service) }),
    ...(tag === undefined ? {} : { tag: context.text(tag) }),
  };
  const id = await askConsul(context, (consul) => consul.fire(name, context.task.config.token ?? '', filter));
  context.task.log.line('INFO', `fired event ${name} (${id})`);
  return undefined;
};
