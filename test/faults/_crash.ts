import type { MetronomeResult, RunningMetronome } from '../support/metronome.js';
import { LONG } from './_chance.js';
import type { Passing, Proxy } from './_proxy.js';

/**
 * Starts a handler that speaks to Consul through the proxy, and kills it just before, or just after, its k-th request;
 * in the short form only those that write count, because a read changes nothing. `at` is '' when it ended before.
 */
export async function killedAt(
  proxy: Proxy,
  when: 'before' | 'after',
  k: number,
  start: () => RunningMetronome,
): Promise<{ at: string; ended: MetronomeResult }> {
  let at = '';
  let seen = 0;
  const handler = { kill: () => {} };
  const rule = (passing: Passing) => {
    if (!LONG && !passing.writes) return 'pass';
    seen += 1;
    if (seen !== k) return seen > k ? 'cut' : 'pass';
    at = `${when} ${passing.method} ${passing.url} ${passing.body.slice(0, 200)}`;
    handler.kill();
    return 'cut';
  };
  proxy.use({ [when]: rule });
  const running = start();
  handler.kill = () => running.kill('SIGKILL');
  const ended = await running.finished;
  return { at, ended };
}
