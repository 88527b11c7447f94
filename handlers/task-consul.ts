import type { TaskConsul } from '../src/operations/types.js';
import { passing } from '../src/store/catalog.js';
import type { Context } from './context.js';

/** The part of Consul that a task's operations may use: the store as a whole, not only below our prefix. */
export function taskConsul(context: Context): TaskConsul {
  const { client } = context;
  return {
    async get(key) {
      return (await client.get(key))?.value ?? null;
    },
    async list(prefix) {
      const entries = await client.tree(prefix);
      return entries.map(({ key, value }) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));
    },
    async put(key, value) {
      await client.put(key, value);
    },
    async delete(key) {
      await client.delete(key);
    },
    async fire(name, payload, filter) {
      const fired = await client.call<{ ID: string }>(
        `fire event ${name}`,
        (consul, options) => consul.event.fire({ name, payload, ...filter, ...options } as never),
        `event:write on "${name}"`,
      );
      return fired.ID;
    },
    passing: (service, tag) => passing(client, service, tag),
  };
}
