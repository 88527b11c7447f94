import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../src/errors.js';
import { writeWhole } from '../src/local/state.js';
import { agentName, agentServices, catalogServices } from '../src/store/catalog.js';
import type { Context } from './context.js';

const WAIT = 5000;

/**
 * Waits, bounded, until the catalog shows the services as the node's own agent has them, so that the
 * next step sees a tag that this task registered (an agent tells the catalog with a delay).
 * The services seen last are remembered beside the lock: while they do not change nothing is asked.
 */
export async function agentServicesSettled(context: Context, node: string): Promise<void> {
  const file = join(context.config.stateDir, 'services.json');
  try {
    // With --node this may speak for another node than the agent's own, whose services are none of its.
    if (context.config.node !== undefined && context.config.node !== (await agentName(context.client)))
      return;
    const now = await agentServices(context.client);
    const before = readList(file);
    if (before !== undefined && same(before, now)) return;
    const gone = (before ?? []).filter((line) => !now.includes(line));
    const until = context.monotonic() + WAIT;
    for (let pause = 10; ; pause = Math.min(pause * 2, 500)) {
      const shown = await catalogServices(context.client, node);
      // A node that the catalog does not know (--node) has nothing to wait for.
      if (shown === undefined) return;
      if (now.every((line) => shown.includes(line)) && !gone.some((line) => shown.includes(line))) break;
      if (context.monotonic() > until) {
        context.log.warn(
          `the catalog does not show ${node}'s services as its agent has them after ${WAIT / 1000} s: going on`,
        );
        // Remembered all the same: the next task must not wait for it again.
        break;
      }
      await sleep(pause);
    }
    writeWhole(file, JSON.stringify(now));
  } catch (error) {
    // The result of the task matters more than this courtesy to the next step.
    context.log.debug(`the node's services were not compared with the catalog: ${messageOf(error)}`);
  }
}

function readList(file: string): string[] | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as string[];
  } catch {
    return undefined;
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, at) => line === b[at]);
}
