import { parse } from 'node-cron';
import type { CronFields } from './types.js';

/** The fields of a cron expression (five or six fields, names, steps, `L`, `W`, `#`) by node-cron's own parser. Throws for one that is wrong. */
export function cronFields(expression: string): CronFields {
  return parse(expression);
}
