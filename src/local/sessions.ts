import { readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Identity, isAlive, ownIdentity } from './identity.js';
import { writeWhole } from './state.js';

interface Recorded {
  readonly handler: Identity;
  readonly sessions: readonly string[];
}

/**
 * The sessions of the handler that holds the local lock. Whoever takes the lock over from a killed one
 * ends them, so that what they held is free at once and not only after their TTL.
 */
export function recordSession(stateDir: string, session: string): void {
  const former = read(stateDir);
  const handler = ownIdentity();
  const own = former?.handler.pid === handler.pid && former.handler.startTime === handler.startTime;
  writeWhole(
    fileOf(stateDir),
    JSON.stringify({ handler, sessions: [...(own ? former.sessions : []), session] } satisfies Recorded),
    { durable: false },
  );
}

/** Those of a handler that is dead. */
export function abandonedSessions(stateDir: string): readonly string[] {
  const recorded = read(stateDir);
  return recorded === undefined || isAlive(recorded.handler) ? [] : recorded.sessions;
}

function read(stateDir: string): Recorded | undefined {
  try {
    const value = JSON.parse(readFileSync(fileOf(stateDir), 'utf8')) as Partial<Recorded> | null;
    if (typeof value?.handler?.pid !== 'number' || !Array.isArray(value.sessions)) return undefined;
    return {
      handler: value.handler,
      sessions: value.sessions.filter((one) => typeof one === 'string'),
    };
  } catch {
    return undefined;
  }
}

/** All of them have ended. */
export function forgetSessions(stateDir: string): void {
  try {
    unlinkSync(fileOf(stateDir));
  } catch {
    // There was none.
  }
}

function fileOf(stateDir: string): string {
  return join(stateDir, 'sessions.json');
}
