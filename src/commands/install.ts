import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { check } from '../drivers/checks.js';
import { install, type Site } from '../drivers/install.js';
import { type Driver, DRIVERS, plan, settingsOf } from '../drivers/plan.js';
import { EXIT, type ExitCode, InputError } from '../errors.js';
import { nameFault, shown } from '../run/names.js';
import { checkLines, worst } from './doctor.js';
import type { Invocation } from './types.js';
import { VERSION } from './version.js';

const CONSUL_DIR = '/etc/consul.d';

/** Checks, says what it writes, writes it, starts it. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { config, context, flags, io, sources } = invocation;
  const driver = driverOf(flags.driver);
  const site = siteOf(invocation);
  let node = config.node;
  // Another root is not this machine: what runs here says nothing about it.
  if (site.root === '') {
    const checked = await check(config, context().client, { driver, installing: true });
    for (const line of checkLines(checked.checks, io.columns)) io.out(`${line}\n`);
    node ??= checked.node;
    const code = worst(checked.checks);
    if (code !== EXIT.done && flags.force !== true && !site.dryRun) {
      io.err('metronome: nothing is installed: see what FAILED above (--force installs all the same)');
      return code;
    }
  }
  const consulDir = consulDirOf(flags['consul-dir'], site.root);
  if (consulDir === undefined && driver === 'watch')
    throw new InputError(
      `no ${CONSUL_DIR} here: name the configuration folder of Consul's agent with --consul-dir`,
    );
  if (driver === 'watch' && nameFault(node) !== undefined)
    throw new InputError('the watch must name this node and Consul did not say its name: give --node');
  const settings = settingsOf(config, sources);
  const named = typeof flags.config === 'string' ? resolve(flags.config) : undefined;
  const planned = plan({
    driver,
    serviceManager: config.serviceManager,
    command: [
      process.execPath,
      resolve(process.argv[1] ?? 'metronome'),
      ...(named === undefined ? [] : ['--config', named]),
    ],
    node: node ?? '',
    config,
    ...(named === undefined ? { settings } : {}),
    ...(consulDir === undefined ? {} : { consulDir }),
  });
  if (consulDir === undefined)
    io.out(`no ${CONSUL_DIR} here: the service metronome is not registered (--consul-dir DIR)\n`);
  if (named !== undefined || existsSync(`${site.root}/etc/metronome/config.yml`)) {
    const given = Object.keys(settings).filter((key) => key !== 'service-manager');
    if (given.length > 0)
      io.out(
        `there is a configuration file already: what was given here (${given.join(', ')}) does not go into it\n`,
      );
  }
  await install(planned, site);
  if (!site.dryRun) io.out(`installed: driver ${driver}\n`);
  return EXIT.done;
}

function driverOf(value: unknown): Driver {
  const driver = DRIVERS.find((one) => one === (value ?? 'agent'));
  if (driver === undefined)
    throw new InputError(`--driver ${shown(value)}: expected ${DRIVERS.map((one) => `"${one}"`).join(', ')}`);
  return driver;
}

function consulDirOf(value: unknown, root: string): string | undefined {
  if (value === 'none') return undefined;
  if (typeof value === 'string') {
    if (!isAbsolute(value))
      throw new InputError(`--consul-dir ${shown(value)}: expected an absolute path, or none`);
    return value.replace(/\/+$/, '');
  }
  return existsSync(root + CONSUL_DIR) ? CONSUL_DIR : undefined;
}

/** Where install, remove, start and stop work. */
export function siteOf({ config, context, flags, io }: Invocation): Site {
  const root = typeof flags.root === 'string' ? resolve(flags.root).replace(/\/$/, '') : '';
  return {
    root,
    stateDir: config.stateDir,
    version: VERSION,
    dryRun: flags['dry-run'] === true,
    force: flags.force === true,
    say: (line) => io.out(`${line}\n`),
    reloadConsul: () =>
      context().client.call(
        'reload the agent',
        (consul, options) => consul.agent.reload(options),
        'agent:write',
      ),
  };
}
