import { type Client, isStatus } from './client.js';

/** Seconds; Consul's minimum is 10, and it ends a session at the latest after twice that. */
export const SESSION_TTL = 10;

/**
 * A session that lives as long as it is renewed. Without checks: an agent that restarts (perhaps by our
 * own task) must not end it. `behavior: release`: with `delete` the inbox key would go with the session
 * and the assignment be made again. The npm client drops a lock delay of 0, so it is written `0s`.
 */
export async function createSession(client: Client, node: string): Promise<string> {
  const { ID } = await client.call<{ ID: string }>(
    'create a session',
    (consul, options) =>
      consul.session.create({
        name: `metronome ${node}`,
        ttl: `${SESSION_TTL}s`,
        lockdelay: '0s',
        behavior: 'release',
        checks: [],
        ...options,
      } as never),
    `session:write on node ${node}`,
  );
  return ID;
}

/** False: the session is gone. */
export async function renewSession(client: Client, session: string): Promise<boolean> {
  try {
    await client.call('renew a session', (consul, options) =>
      consul.session.renew({ id: session, ...options } as never),
    );
    return true;
  } catch (error) {
    if (isStatus(error, 404)) return false;
    throw error;
  }
}

/** Ends a session: what it holds is free at once. One that is gone already is fine. */
export async function destroySession(client: Client, session: string): Promise<void> {
  await client.call('end a session', (consul, options) =>
    consul.session.destroy({ id: session, ...options } as never),
  );
}
