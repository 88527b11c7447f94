/** What metronome needs on this machine, each with what to do about it: `metronome doctor`, and before an installation. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config.js';
import { messageOf, PermissionError, UnreachableError } from '../errors.js';
import { loadSchedules } from '../schedule/load.js';
import { METRONOME_SERVICE } from '../store/catalog.js';
import type { Client } from '../store/client.js';
import { createSession, destroySession } from '../store/session.js';
import { readManifest } from './manifest.js';
import type { Driver } from './plan.js';

export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed';
  /** What was found. */
  readonly message: string;
  /** What to do; absent when it is ok. */
  readonly fix?: string;
  /** Consul could not be reached at all. */
  readonly unreachable?: true;
}

export interface Checked {
  readonly checks: readonly Check[];
  /** As Consul's agent calls this node, where it said so. */
  readonly node?: string;
}

/** Oldest version of Consul that the tests have run on. */
const TESTED = [1, 8] as const;

const ok = (name: string, message: string): Check => ({ name, status: 'ok', message });
const failed = (name: string, message: string, fix: string): Check => ({
  name,
  status: 'failed',
  message,
  fix,
});
const warning = (name: string, message: string, fix: string): Check => ({
  name,
  status: 'warning',
  message,
  fix,
});

/** All checks for a driver; they write nothing that stays. */
export async function check(
  config: Config,
  client: Client,
  options: { driver?: Driver; installing?: boolean } = {},
): Promise<Checked> {
  const manifest = readManifest(config.stateDir);
  const driver = options.driver ?? manifest?.driver;
  const local = [nodeVersion(), await schedules(config), stateDir(config)];
  const consul = await consulChecks(config, client, options.installing === true);
  const set = [
    serviceManager(config, driver),
    ...(options.installing ? [] : [installed(manifest?.units, driver)]),
  ];
  return { ...consul, checks: [...local, ...consul.checks, ...set] };
}

function nodeVersion(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 20 || (major === 20 && minor >= 19)
    ? ok('node', `Node.js ${process.versions.node}`)
    : failed('node', `Node.js ${process.versions.node}`, 'install Node.js 20.19 or newer');
}

async function schedules({ files }: Config): Promise<Check> {
  const name = 'schedule files';
  if (files.length === 0)
    return warning(
      name,
      'none is configured: this node defines no event',
      'set "files" in /etc/metronome/config.yml',
    );
  const { problems, schedules: read } = await loadSchedules(files);
  const errors = problems.filter((problem) => problem.severity === 'error');
  const [first] = errors;
  if (first !== undefined)
    return failed(
      name,
      `${errors.length} error${errors.length === 1 ? '' : 's'}, first ${first.place.file}:${first.place.line}: ${first.message}`,
      'metronome validate shows all of them',
    );
  return ok(name, `${read.length} in order`);
}

function stateDir({ stateDir: dir }: Config): Check {
  const name = 'state folder';
  try {
    if (existsSync(dir)) {
      accessSync(dir, constants.R_OK | constants.W_OK);
      if (!statSync(dir).isDirectory()) throw new Error('is not a folder');
      if ((statSync(dir).mode & 0o022) !== 0)
        return warning(name, `${dir} can be written by others`, `chmod 0700 ${dir}`);
    } else {
      let above = dirname(dir);
      while (!existsSync(above) && above !== dirname(above)) above = dirname(above);
      accessSync(above, constants.W_OK);
    }
    return ok(name, dir);
  } catch (error) {
    return failed(
      name,
      `${dir} cannot be used (${messageOf(error)})`,
      'run as root, or choose another with --state-dir',
    );
  }
}

async function consulChecks(
  config: Config,
  client: Client,
  installing: boolean,
): Promise<{ checks: Check[]; node?: string }> {
  const checks: Check[] = [];
  let self: { Config?: { NodeName?: string; Version?: string } };
  try {
    self = await client.call<typeof self>(
      'read the agent',
      (consul, options) => consul.agent.self(options),
      'agent:read',
    );
  } catch (error) {
    const fix =
      error instanceof UnreachableError
        ? 'start Consul’s agent, or name it with --host and --port (CONSUL_HTTP_ADDR)'
        : 'give the token agent:read on this node (deploy/consul/policy-node.hcl)';
    return {
      checks: [
        {
          ...failed('Consul', messageOf(error), fix),
          ...(error instanceof UnreachableError ? { unreachable: true as const } : {}),
        },
      ],
    };
  }
  const version = self.Config?.Version ?? '';
  const node = config.node ?? self.Config?.NodeName ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  checks.push(
    major > TESTED[0] || (major === TESTED[0] && minor >= TESTED[1])
      ? ok('Consul', `version ${version} at ${client.address}, node ${node}`)
      : warning(
          'Consul',
          `version ${version} at ${client.address}`,
          `metronome is tested with ${TESTED.join('.')} and newer`,
        ),
  );
  checks.push(await leader(client));
  if (checks.at(-1)?.status === 'ok') {
    checks.push(await keys(client, node), await sessions(client, node), await catalog(client, node));
    if (!installing) checks.push(await service(client));
  }
  return { checks, node };
}

async function leader(client: Client): Promise<Check> {
  const name = 'leader';
  try {
    const address = await client.call<string>('ask for the leader', (consul, options) =>
      consul.status.leader(options),
    );
    return address === ''
      ? failed(
          name,
          'the cluster has none',
          'see consul operator raft list-peers: a majority of the servers must be up',
        )
      : ok(name, address);
  } catch (error) {
    return failed(name, messageOf(error), 'see consul operator raft list-peers');
  }
}

/** The keys that each node writes, and those of the nodes that dispatch. */
async function keys(client: Client, node: string): Promise<Check> {
  const name = 'keys';
  const { keys: k } = client;
  const own = [k.queue, k.inbox(node), k.progress, k.results];
  const dispatching = [k.active, k.controls, k.schedules];
  const deniedOf = async (prefixes: readonly string[]) => {
    const denied: string[] = [];
    for (const prefix of prefixes) if (!(await mayWrite(client, prefix))) denied.push(prefix);
    return denied;
  };
  try {
    const missing = await deniedOf(own);
    if (missing.length > 0)
      return failed(
        name,
        `the token may not write below ${missing.join(', ')}`,
        'give it deploy/consul/policy-node.hcl',
      );
    const others = await deniedOf(dispatching);
    if (others.length > 0)
      return warning(
        name,
        `the token may not write below ${others.join(', ')}: this node leaves dispatch to others`,
        'enough where other nodes have deploy/consul/policy-dispatcher.hcl; else give it to this one',
      );
    return ok(name, `the token may write below ${k.prefix}`);
  } catch (error) {
    return failed(name, messageOf(error), 'give the token deploy/consul/policy-node.hcl');
  }
}

/** A transaction that can never hold: Consul looks at the permissions first, and nothing is written. */
async function mayWrite(client: Client, prefix: string): Promise<boolean> {
  try {
    const key = `${prefix}.doctor`;
    await client.txn([
      { verb: 'check-index', key, index: 1 },
      { verb: 'set', key, value: '' },
    ]);
    return true;
  } catch (error) {
    if (error instanceof PermissionError) return false;
    throw error;
  }
}

async function sessions(client: Client, node: string): Promise<Check> {
  const name = 'sessions';
  try {
    await destroySession(client, await createSession(client, 'metronome doctor'));
    return ok(name, 'one was made and ended');
  } catch (error) {
    return failed(
      name,
      messageOf(error),
      `give the token session:write on node ${node} (deploy/consul/policy-node.hcl)`,
    );
  }
}

async function catalog(client: Client, node: string): Promise<Check> {
  const name = 'catalog';
  try {
    const nodes = await client.call<{ Node: string }[]>('list the nodes', (consul, options) =>
      consul.catalog.node.list(options as never),
    );
    // Consul leaves out what a token may not see, without a word.
    if (!nodes.some((one) => one.Node === node))
      return failed(
        name,
        `node ${node} is not in it`,
        'give the token node:read and service:read (deploy/consul/policy-node.hcl), or see --node',
      );
    return ok(name, `${nodes.length} node${nodes.length === 1 ? '' : 's'}`);
  } catch (error) {
    return failed(name, messageOf(error), 'give the token node:read and service:read');
  }
}

async function service(client: Client): Promise<Check> {
  const name = 'service';
  try {
    const services = await client.call<Record<string, { Service: string }>>(
      'list the services',
      (consul, options) => consul.agent.service.list(options),
    );
    return Object.values(services).some((one) => one.Service === METRONOME_SERVICE)
      ? ok(name, 'this node has the service metronome')
      : warning(
          name,
          'this node has no service metronome: where other nodes have it, steps without a service pass this one over',
          'metronome install writes it; or copy deploy/consul/metronome-service.json to Consul and reload',
        );
  } catch (error) {
    return warning(name, messageOf(error), 'give the token service:read');
  }
}

function serviceManager({ serviceManager: manager }: Config, driver: Driver | undefined): Check {
  const name = 'service manager';
  if (manager === 'init') {
    if (driver === 'agent')
      return failed(
        name,
        'no systemd runs here, and the agent wants one',
        'take --driver timer (cron), or start `metronome agent` by what starts your services',
      );
    return existsSync('/etc/cron.d')
      ? ok(name, 'cron')
      : failed(
          name,
          'neither systemd nor /etc/cron.d is here',
          'install cron, or call metronome tick by other means',
        );
  }
  for (const program of driver === 'agent' ? ['systemctl', 'systemd-notify'] : ['systemctl']) {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
    } catch {
      return failed(name, `${program} is not to be found`, 'install systemd, or set service-manager to init');
    }
  }
  return ok(name, 'systemd');
}

/** Whether what was installed is running. */
function installed(units: readonly string[] | undefined, driver: Driver | undefined): Check {
  const name = 'driver';
  if (units === undefined)
    return warning(
      name,
      'none was installed by metronome install',
      'metronome install --driver agent|timer|watch, unless you start the handlers by other means',
    );
  for (const unit of units) {
    try {
      execFileSync('systemctl', ['is-active', '--quiet', unit], { stdio: 'ignore' });
    } catch {
      return failed(name, `${unit} does not run`, `metronome start; journalctl -u ${unit} says why`);
    }
  }
  return ok(name, units.length === 0 ? `${driver}` : `${driver}: ${units.join(', ')} runs`);
}
