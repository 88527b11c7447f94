import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ChefOperation } from '../schedule/types.js';
import { chefAttributes, substituteDeep } from './chef-attributes.js';
import { defaultConfiguration, rubyConfiguration } from './chef-configuration.js';
import { type OperationContext, type Perform, runProgram } from './operation.js';

/** What `berks vendor` ends with where it crashed after its work was done; the original passes over it, and so do we. */
const BERKS_CRASH = 139;
const ROLE = /\{\{\s*role\s*\}\}/;

/**
 * `chef: {run_list, configurations, attributes, attribute_keys}` runs chef-solo in the schedule file's folder.
 *
 * - An entry of `run_list` with `{{role}}` becomes one for `all` and one for each of the comma-separated roles of the
 *   configuration; `role[x]` without `roles/x.json` is dropped.
 * - Attributes: see `chef-attributes.ts`; the run list goes in last. Configuration: the defaults with `configurations` over them.
 * - Where there is a Berksfile, `berks vendor cookbooks` comes first.
 * - chef-solo gets HOME=/root, CONSUL_SECRET_KEY (the token: in the environment, never an argument) and ROLE; berks HOME.
 * - The temporary files are removed unless `debug` is set; then the log names them.
 */
export const perform: Perform<ChefOperation> = async (operation, context) => {
  const { task } = context;
  const { schedule, config, log } = task;
  const { folder } = schedule;
  const runList = expandRunList(operation.runList, config.role, context.text).filter((entry) => {
    const role = /^role\[(.*)\]$/.exec(entry)?.[1];
    return role === undefined || existsSync(join(folder, 'roles', `${role}.json`));
  });
  const attributes = { ...(await chefAttributes(operation, context)), run_list: runList };
  const configuration = {
    ...defaultConfiguration(schedule),
    ...(substituteDeep(operation.configurations, context.text) as Record<string, unknown>),
  };
  // In debug they must outlive the task's own folder.
  const temporary = mkdtempSync(join(config.debug ? tmpdir() : task.workDir, 'chef-'));
  try {
    const settings = join(temporary, 'solo.rb');
    const node = join(temporary, 'node.json');
    writeFileSync(settings, rubyConfiguration(configuration), { mode: 0o600 });
    writeFileSync(node, JSON.stringify(attributes), { mode: 0o600 });
    // chef-solo makes its cache, but not the folder of its log.
    const { log_location: logFile } = configuration;
    if (typeof logFile === 'string' && logFile.startsWith('/'))
      mkdirSync(dirname(logFile), { recursive: true });
    if (config.debug) log.line('DEBUG', `chef: configuration ${settings}, attributes ${node}`);
    log.line('INFO', `chef: run list ${runList.length === 0 ? 'is empty' : runList.join(', ')}`);
    await runChef(settings, node, context);
  } finally {
    if (!config.debug) rmSync(temporary, { recursive: true, force: true });
  }
  return undefined;
};

async function runChef(settings: string, node: string, context: OperationContext): Promise<void> {
  const { config, schedule } = context.task;
  const home = { HOME: '/root' };
  if (existsSync(join(schedule.folder, 'Berksfile'))) {
    await runProgram({ program: 'berks', arguments: ['vendor', 'cookbooks'], environment: home }, context, [
      0,
      BERKS_CRASH,
    ]);
  }
  const environment = { ...home, CONSUL_SECRET_KEY: config.token ?? '', ROLE: config.role };
  await runProgram({ program: 'chef-solo', arguments: ['-c', settings, '-j', node], environment }, context);
}

/** Before any other variable: `{{role}}` alone would give the list as one text. */
function expandRunList(
  entries: readonly string[],
  role: string,
  text: (source: string) => string,
): readonly string[] {
  const roles = ['all', ...role.split(',').map((name) => name.trim())].filter((name) => name !== '');
  const expanded = entries.flatMap((entry) =>
    ROLE.test(entry) ? roles.map((name) => entry.replace(new RegExp(ROLE, 'g'), () => name)) : [entry],
  );
  return [...new Set(expanded.map(text))];
}
