import { duration } from '../run/time.js';
import type { HttpOperation } from '../schedule/types.js';
import { OperationFailure, type Perform, Stopped } from './operation.js';
import { isExpected, request, shownExpected, whyFailed } from './request.js';

/** ms for one request. */
const TIMEOUT = 30_000;

/**
 * `http: {url, method, headers, body, status, timeout}` makes one request and fails unless its answer has one of
 * the expected statuses (any 2xx when none is named). `{{…}}` is replaced in `url`, `headers` and `body`. Redirects
 * are followed for GET and HEAD alone. Use `retries` to try again.
 */
export const perform: Perform<HttpOperation> = async (operation, context) => {
  const { method, status: expected } = operation;
  const timeout = operation.timeout ?? TIMEOUT;
  const url = context.text(operation.url);
  const headers = Object.fromEntries(
    Object.entries(operation.headers).map(([name, value]) => [name, context.text(value)]),
  );
  const body = operation.body === undefined ? {} : { body: context.text(operation.body) };
  const answer = await request({ url, method, headers, ...body }, timeout, context.signal).catch(
    (error: unknown) => {
      if (context.signal.aborted) throw new Stopped();
      if (error instanceof OperationFailure) throw error;
      const why = whyFailed(error);
      throw new OperationFailure(`got no answer within ${duration(timeout)}: ${why}`, { cause: error });
    },
  );
  const { log } = context.task;
  // Without the query, which may hold a key.
  const { origin, pathname } = new URL(url);
  log.line('INFO', `${method} ${origin}${pathname} answered ${answer.status}`);
  if (isExpected(answer.status, expected)) return undefined;
  if (answer.excerpt !== '') log.line('INFO', answer.excerpt);
  throw new OperationFailure(`got status ${answer.status}, expected ${shownExpected(expected)}`);
};
