import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { duration } from '../run/time.js';
import type { WaitForOperation } from '../schedule/types.js';
import { withDeadline } from './deadline.js';
import { askConsul, type OperationContext, OperationFailure, type Perform, Stopped } from './operation.js';
import { isExpected, request, shownExpected, whyFailed } from './request.js';

const TIMEOUT = 300_000;
const INTERVAL = 1000;
/** The most that one look may take (ms): a host that swallows packets must not eat the whole timeout. */
const LOOK = 10_000;

/** What is waited for, in words, and a look at it: undefined when it is there, else what was seen instead. */
interface Awaited {
  readonly what: string;
  look(timeout: number, signal: AbortSignal): Promise<string | undefined>;
}

/**
 * `wait-for: {tcp | http | service, timeout, interval}` waits until a TCP port accepts a connection, a URL answers
 * with the status (any 2xx when none is named), or so many instances of a Consul service are passing (`all`: at least
 * one, and every one). Fails when `timeout` has passed, and says what it saw last. `{{…}}` is replaced in host, url, service and tag.
 */
export const perform: Perform<WaitForOperation> = async (operation, context) => {
  const timeout = operation.timeout ?? TIMEOUT;
  const interval = operation.interval ?? INTERVAL;
  const awaited = awaitedBy(operation, context);
  const reason = { status: 'timeout', reason: 'not there in time' } as const;
  let last = 'nothing';
  const came = await withDeadline(context.signal, timeout, reason, async (signal) => {
    try {
      for (;;) {
        const seen = await awaited.look(Math.min(LOOK, timeout), signal);
        if (seen === undefined) return true;
        if (!signal.aborted) last = seen;
        await sleep(interval, undefined, { signal });
      }
    } catch (error) {
      // What is wrong with the file itself does not come right by waiting.
      if (error instanceof OperationFailure) throw error;
      return false;
    }
  });
  if (came) {
    context.task.log.line('INFO', `${awaited.what} is there`);
    return undefined;
  }
  if (context.signal.aborted) throw new Stopped();
  throw new OperationFailure(`waited ${duration(timeout)} in vain for ${awaited.what}; last seen: ${last}`);
};

function awaitedBy({ target }: WaitForOperation, context: OperationContext): Awaited {
  if ('tcp' in target) {
    const host = context.text(target.tcp.host);
    const { port } = target.tcp;
    return {
      what: `tcp ${host.includes(':') ? `[${host}]` : host}:${port}`,
      look: (timeout, signal) => tryConnection(host, port, timeout, signal),
    };
  }
  if ('http' in target) {
    const url = context.text(target.http.url);
    const { status: expected } = target.http;
    return {
      what: `http ${URL.canParse(url) ? new URL(url).origin + new URL(url).pathname : url}`,
      async look(timeout, signal) {
        try {
          const { status } = await request({ url, method: 'GET' }, timeout, signal);
          if (isExpected(status, expected)) return undefined;
          return `status ${status}, expected ${shownExpected(expected)}`;
        } catch (error) {
          if (error instanceof OperationFailure) throw error;
          return whyFailed(error);
        }
      },
    };
  }
  const name = context.text(target.service.name);
  const tag = target.service.tag === undefined ? undefined : context.text(target.service.tag);
  const { passing: wanted } = target.service;
  return {
    what: `service ${name}${tag === undefined ? '' : ` (${tag})`}`,
    async look(_, signal) {
      try {
        const ask = { task: context.task, signal };
        const { passing, all } = await askConsul(ask, (consul) => consul.passing(name, tag));
        const enough = wanted === 'all' ? all > 0 && passing === all : passing >= wanted;
        return enough ? undefined : `${passing} of ${all} passing, expected ${wanted}`;
      } catch (error) {
        if (error instanceof OperationFailure) throw error;
        return messageOf(error);
      }
    },
  };
}

/** Undefined when the port accepts a connection. */
async function tryConnection(
  host: string,
  port: number,
  timeout: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout, signal });
    const end = (seen: string | undefined) => {
      socket.destroy();
      resolve(seen);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end(`no answer within ${duration(timeout)}`));
    socket.on('error', (error) =>
      end(
        error instanceof AggregateError && error.errors.length > 0
          ? messageOf(error.errors[0])
          : messageOf(error),
      ),
    );
  });
}
