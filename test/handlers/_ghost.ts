import type { ExecutionContext } from 'ava';
import type { Fleet } from '../support/fleet.js';

/**
 * A node that the catalog has, and whose Consul agent is down. Once a minute Consul's leader removes nodes that are no
 * members; so it is registered again and again until the test is over.
 */
export async function ghostNode(
  t: ExecutionContext,
  { api }: Fleet,
  name: string,
  service: string,
): Promise<void> {
  const register = () =>
    api.request('PUT', 'catalog/register', {
      body: {
        Node: name,
        Address: '127.0.0.9',
        Service: { Service: service },
        Check: { Node: name, CheckID: 'serfHealth', Name: 'Serf Health Status', Status: 'critical' },
      },
    });
  await register();
  let last: Promise<unknown> = Promise.resolve();
  const again = setInterval(() => {
    last = register().catch(() => {});
  }, 100);
  t.teardown(async () => {
    clearInterval(again);
    await last;
    await api.request('PUT', 'catalog/deregister', { body: { Node: name } });
  });
}
