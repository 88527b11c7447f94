import { messageOf } from '../errors.js';
import { withDeadline } from './deadline.js';
import { OperationFailure } from './operation.js';

export interface Request {
  readonly url: string;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  /** The beginning of the body, on one line. */
  readonly excerpt: string;
}

/** Characters of a body that are worth a place in the log. */
const EXCERPT = 200;

/** One HTTP request. Redirects are followed for GET and HEAD alone: anything else would be sent twice. */
export async function request(wanted: Request, timeout: number, outer: AbortSignal): Promise<Answer> {
  const { url, method, headers = {}, body } = wanted;
  checkUrl(url);
  const reason = { status: 'timeout', reason: 'no answer in time' } as const;
  return withDeadline(outer, timeout, reason, async (signal) => {
    const response = await fetch(url, {
      method,
      headers: { ...headers },
      ...(body === undefined ? {} : { body }),
      redirect: method === 'GET' || method === 'HEAD' ? 'follow' : 'manual',
      signal,
    });
    const excerpt = await beginningOf(response);
    return { status: response.status, excerpt };
  });
}

async function beginningOf(response: Response): Promise<string> {
  let text = '';
  if (response.body === null) return text;
  const decoder = new TextDecoder();
  // Leaving the loop gives the rest of the body up, however long it is.
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > EXCERPT) break;
  }
  return text.slice(0, EXCERPT).replace(/\s+/g, ' ').trim();
}

/** fetch would name the URL in its message, with the password in it. */
function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fault =
    url === undefined || !/^https?:$/.test(url.protocol)
      ? 'its url is none that begins with http:// or https://'
      : url.username !== '' || url.password !== ''
        ? 'its url has a user name or password: put them into headers (authorization)'
        : undefined;
  if (fault !== undefined) throw new OperationFailure(`was not run: ${fault}`, { final: true });
}

/** fetch says "fetch failed"; why is in its cause. */
export function whyFailed(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'status' in error && 'reason' in error)
    return String(error.reason);
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof AggregateError && cause.errors.length > 0) return messageOf(cause.errors[0]);
  return messageOf(cause ?? error);
}

/** Whether a status is expected: one of the list, or any 2xx when that is empty. */
export function isExpected(status: number, expected: readonly number[]): boolean {
  return expected.length === 0 ? status >= 200 && status < 300 : expected.includes(status);
}

export function shownExpected(expected: readonly number[]): string {
  return expected.length === 0 ? '2xx' : expected.join(' or ');
}
