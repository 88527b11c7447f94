import type { ConsulKvsOperation } from '../schedule/types.js';
import { askConsul, OperationFailure, type Perform } from './operation.js';

/**
 * `consul-kvs: {action, key, value, name}` reads or changes a key of Consul's store, anywhere in it. `get` puts the value
 * into variable `name` for the operations that follow in the task, and fails when there is no such key (with `retries`
 * one can wait for it). `{{…}}` is replaced in `key` and `value`. Values are not logged: they may be secrets.
 */
export const perform: Perform<ConsulKvsOperation> = async (operation, context) => {
  const { log } = context.task;
  const key = context.text(operation.key);
  if (key === '') throw new OperationFailure('was not run: its key is empty', { final: true });
  switch (operation.action) {
    case 'get': {
      const value = await askConsul(context, (consul) => consul.get(key));
      if (value === null) throw new OperationFailure(`found no key ${key}`);
      if (operation.name !== undefined) context.setVariable(operation.name, value);
      log.line('INFO', `read ${key}${operation.name === undefined ? '' : ` into ${operation.name}`}`);
      return undefined;
    }
    case 'put':
      await askConsul(context, (consul) => consul.put(key, context.text(operation.value ?? '')));
      log.line('INFO', `wrote ${key}`);
      return undefined;
    case 'delete':
      await askConsul(context, (consul) => consul.delete(key));
      log.line('INFO', `deleted ${key}`);
      return undefined;
  }
};
