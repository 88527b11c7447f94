import { type Check, check } from '../drivers/checks.js';
import { EXIT, type ExitCode } from '../errors.js';
import { wrap } from './help.js';
import type { Invocation } from './types.js';

/** Every check with its fix; 1 when one failed, 3 when Consul did not answer. */
export async function run({ config, context, flags, io }: Invocation): Promise<ExitCode> {
  const { checks } = await check(config, context().client);
  if (flags.json) io.out(`${JSON.stringify({ healthy: worst(checks) === EXIT.done, checks }, null, 2)}\n`);
  else for (const line of checkLines(checks, io.columns)) io.out(`${line}\n`);
  return worst(checks);
}

export function worst(checks: readonly Check[]): ExitCode {
  if (checks.some((one) => one.unreachable)) return EXIT.unreachable;
  return checks.some((one) => one.status === 'failed') ? EXIT.failed : EXIT.done;
}

export function checkLines(checks: readonly Check[], columns: number): string[] {
  const width = Math.max(...checks.map((one) => one.name.length)) + 2;
  return checks.flatMap(({ name, status, message, fix }) => {
    const words = { ok: 'ok', warning: 'WARNING', failed: 'FAILED' };
    const [first = '', ...rest] = wrap(message, Math.max(30, columns - width - 10));
    const indent = ' '.repeat(width + 9);
    return [
      `${words[status].padEnd(9)}${name.padEnd(width)}${first}`,
      ...rest.map((line) => `${indent}${line}`),
      ...(fix === undefined
        ? []
        : wrap(`fix: ${fix}`, Math.max(30, columns - width - 10)).map((line) => `${indent}${line}`)),
    ];
  });
}
