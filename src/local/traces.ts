import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Whether an execute runs on this node, or died here and left its lock, its record or a session behind: then there
 * may be more to do than its inbox says. Apart from `lock.ts`, which takes longer to load than this to answer.
 */
export function executeTraces(stateDir: string): boolean {
  return ['execute.lock', 'execute.holder.json', 'sessions.json'].some((name) =>
    existsSync(join(stateDir, name)),
  );
}
