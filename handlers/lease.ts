import { UnreachableError } from '../src/errors.js';
import { forgetSessions, recordSession } from '../src/local/sessions.js';
import { createSession, destroySession, renewSession, SESSION_TTL } from '../src/store/session.js';
import type { Context } from './context.js';

/**
 * The session of one execute call, kept alive by renewals. When it is lost (expired, or destroyed behind
 * our back) a new one is made as soon as Consul answers, and `onNew` takes the claim again.
 */
export interface Lease {
  readonly session: string;
  /** `monotonic()` when Consul last confirmed the session: measured before the request left, so never too late. */
  readonly lastGood: number;
  onNew(take: () => Promise<void>): void;
  /** Makes a new session now, if the present one is gone. */
  renewNow(): Promise<void>;
  close(): Promise<void>;
}

/** Three renewals within one TTL: two may fail. */
const RENEW_EVERY = (SESSION_TTL * 1000) / 3;

export async function openLease(context: Context, node: string): Promise<Lease> {
  const { client, log } = context;
  const { stateDir } = context.config;
  let lastGood = context.monotonic();
  let session = await createSession(client, node);
  // Before the first claim, not after it: we may be killed in between.
  recordSession(stateDir, session);
  let take: () => Promise<void> = async () => {};
  // A new session holds nothing until `take` has succeeded; Consul may be gone again before that.
  let untaken = false;
  let closed = false;
  let renewing: Promise<void> | undefined;

  const renew = async () => {
    const asked = context.monotonic();
    try {
      if (!(await renewSession(client, session))) {
        if (closed) return;
        log.warn('the Consul session is gone: taking the claim again with a new one');
        session = await createSession(client, node);
        untaken = true;
        recordSession(stateDir, session);
      }
      if (untaken) {
        await take();
        untaken = false;
      }
      lastGood = asked;
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      log.debug(`the session was not renewed: ${error.message}`);
    }
  };
  const renewOnce = () => {
    renewing ??= renew().finally(() => (renewing = undefined));
    return renewing;
  };
  const timer = setInterval(() => {
    renewOnce().catch((error: unknown) => log.error(`renewing the session failed: ${String(error)}`));
  }, RENEW_EVERY);

  return {
    get session() {
      return session;
    },
    get lastGood() {
      return lastGood;
    },
    onNew(fn) {
      take = fn;
    },
    renewNow: renewOnce,
    async close() {
      closed = true;
      clearInterval(timer);
      await renewing?.catch(() => {});
      // What cannot be ended now ends by its TTL.
      await destroySession(client, session).then(
        () => forgetSessions(stateDir),
        () => {},
      );
    },
  };
}
