import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  Agent,
  type AgentPlan,
  freePorts,
  type Kind,
  merge,
  type Ports,
  quickGossip,
  type Settings,
  writeSettings,
} from './agent.js';
import { type Address, consulApi } from './api.js';
import { type FoundProcess, processesWith, startGuard } from './guard.js';
import { makeCertificates, tlsSettings, type TlsFiles } from './tls.js';
import { until } from './until.js';

export type { Address } from './api.js';
export { consulApi } from './api.js';
export { holds, until } from './until.js';

/** A Consul agent of the shared cluster: to be used, never stopped. */
export interface SharedNode extends Address {
  readonly pid: number;
  readonly dir: string;
}

export interface SharedCluster {
  readonly consul: string;
  readonly nodes: readonly SharedNode[];
  node(name: string): SharedNode;
}

export const SHARED = 'METRONOME_TEST_CLUSTER';

/** The wrapper's agents: server `s1`, clients `n1`…`n4`. All test files use them at once: keys below freshPrefix, services by freshName. */
export function sharedCluster(): SharedCluster {
  const text = process.env[SHARED];
  if (text === undefined) {
    throw new Error(
      `${SHARED} is not set: run tests by "npm test", or one file by "npm test -- test/store/queue.ts"`,
    );
  }
  const told = JSON.parse(text) as {
    consul: string;
    nodes: { name: string; http: { host: string; port: number }; pid: number; dir: string }[];
  };
  const nodes = told.nodes.map(({ name, http, pid, dir }) => ({ name, ...http, pid, dir }));
  return { consul: told.consul, nodes, node: (name) => named(nodes, name) };
}

function named<T extends { readonly name: string }>(nodes: readonly T[], name: string): T {
  const node = nodes.find((one) => one.name === name);
  if (node === undefined)
    throw new Error(`no node ${name} in this cluster; it has ${nodes.map((one) => one.name).join(', ')}`);
  return node;
}

export interface AgentPlace {
  readonly name: string;
  readonly kind: Kind;
  readonly ports: Ports;
  readonly dir: string;
}

export interface ClusterOptions {
  /** How many (`s1`…), or their names. Default 1. */
  readonly servers?: number | readonly string[];
  /** How many (`n1`…), or their names. Default 0. */
  readonly clients?: number | readonly string[];
  /** More agent settings, merged over ours; a function gets the agent's name, kind, ports and folder. */
  readonly config?: Settings | ((agent: AgentPlace) => Settings);
  /** Files to lay down before the agents start, path -> text; those in `<dir>/config/` are the agent's own configuration. */
  readonly files?: (agent: AgentPlace) => Readonly<Record<string, string>>;
  /** Default deny; `cluster.token` may do everything. */
  readonly acl?: boolean;
  /** HTTPS beside HTTP, client certificates demanded; `cluster.tls` names the files, `node.plan.ports.https` the port. */
  readonly tls?: boolean;
  readonly nodeMeta?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Default true: a dead agent is seen within about two seconds. */
  readonly quick?: boolean;
}

export interface Cluster {
  /** Servers first. */
  readonly nodes: readonly Agent[];
  readonly servers: readonly Agent[];
  readonly clients: readonly Agent[];
  /** Temporary, removed by close(); for state folders, schedule files and the like. */
  readonly dir: string;
  readonly token?: string;
  readonly tls?: TlsFiles;
  /** Stands in the environment of every process of this cluster: give it to those that tests start (`env: cluster.env`). */
  readonly env: NodeJS.ProcessEnv;
  node(name: string): Agent;
  /** Every agent answers, and the catalog has all of them passing. */
  ready(limit?: number): Promise<void>;
  /** Processes of this cluster beside its agents: what handlers and watches left behind. */
  leftovers(): FoundProcess[];
  close(): Promise<void>;
}

const names = (given: number | readonly string[], letter: string) =>
  typeof given === 'number' ? Array.from({ length: given }, (_, index) => `${letter}${index + 1}`) : given;

/**
 * A cluster of its own for tests that stop agents, need other settings, or see the whole catalog.
 * Everything of it ends with close(), and with this process however that ends. Up in about two seconds.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  for (let attempt = 1; ; attempt++) {
    const cluster = await prepare(options);
    try {
      for (const node of cluster.nodes) node.spawn();
      await cluster.ready();
      return cluster;
    } catch (error) {
      const clash = cluster.nodes.some((node) => node.log().includes('address already in use'));
      const logs = cluster.nodes
        .filter((node) => !node.running)
        .map((node) => `${node.name}: ${node.log().slice(-2000)}`);
      await cluster.close();
      if (!clash || attempt === 3) {
        throw new Error(['the cluster did not come up', ...logs].join('\n'), { cause: error });
      }
    }
  }
}

async function prepare(options: ClusterOptions): Promise<Cluster> {
  const dir = mkdtempSync(join(tmpdir(), 'metronome-consul-'));
  const guard = startGuard(dir);
  const token = options.acl === true ? randomUUID() : undefined;
  const tls = options.tls === true ? makeCertificates(join(dir, 'tls')) : undefined;

  const plan = async (name: string, kind: Kind): Promise<AgentPlan> => {
    const ports = await freePorts();
    const own = join(dir, name);
    mkdirSync(own, { recursive: true });
    const { config = {}, files, nodeMeta = {}, quick = true } = options;
    const place: AgentPlace = { name, kind, ports, dir: own };
    for (const [path, text] of Object.entries(files?.(place) ?? {})) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    const layers: Settings[] = [
      quick ? quickGossip : {},
      nodeMeta[name] === undefined ? {} : { node_meta: nodeMeta[name] },
      token === undefined ? {} : aclSettings(token),
      tls === undefined ? {} : tlsSettings(tls, ports.https),
      typeof config === 'function' ? config(place) : config,
    ];
    return { name, kind, dir: own, ports, settings: layers.reduce(merge, {}) };
  };

  const servers: AgentPlan[] = [];
  for (const name of names(options.servers ?? 1, 's')) servers.push(await plan(name, 'server'));
  const clients: AgentPlan[] = [];
  for (const name of names(options.clients ?? 0, 'n')) clients.push(await plan(name, 'client'));
  const plans = [...servers, ...clients];
  for (const one of plans) writeSettings(one, servers);

  const nodes = plans.map((one) => new Agent(one, guard, token));
  const ofKind = (kind: Kind) => nodes.filter((node) => node.kind === kind);
  return {
    nodes,
    servers: ofKind('server'),
    clients: ofKind('client'),
    dir,
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
    env: guard.env,
    node: (name) => named(nodes, name),
    ready: async (limit = 20_000) => {
      await Promise.all(nodes.map((node) => node.ready(limit)));
      await until(
        async () => {
          const members = await consulApi(nodes[0] as Agent).members();
          return plans.every(({ name }) => members[name] === 'passing');
        },
        `all of ${plans.map(({ name }) => name).join(', ')} to stand in the catalog, passing`,
        limit,
      );
    },
    leftovers: () => {
      const agents = new Set(nodes.map((node) => node.pid));
      return processesWith(guard.mark).filter(({ pid }) => !agents.has(pid));
    },
    close: () => guard.end(),
  };
}

function aclSettings(token: string): Settings {
  // `master` has become `initial_management` since; newer agents still take the old name.
  return {
    acl: {
      enabled: true,
      default_policy: 'deny',
      down_policy: 'deny',
      tokens: { master: token, agent: token },
    },
  };
}

/** A name that no other test uses; Consul takes it as a service, a tag, an event and a node. */
export function freshName(what = 'test'): string {
  return `${what}-${randomBytes(4).toString('hex')}`;
}

/** What freshPrefix needs of ava's `t`. */
interface Teardown {
  teardown(clean: () => Promise<void> | void): void;
}

/** A key prefix of this test's own, with its closing slash; emptied after the test. */
export function freshPrefix(t: Teardown, node?: Address): string {
  const prefix = `${freshName()}/`;
  t.teardown(async () => {
    const on = node ?? (process.env[SHARED] === undefined ? undefined : sharedCluster().nodes[0]);
    // A cluster that the test has closed or stopped takes its keys along.
    if (on !== undefined)
      await consulApi(on)
        .kvDeleteTree(prefix)
        .catch(() => undefined);
  });
  return prefix;
}

export interface ServiceRegistration {
  readonly name: string;
  readonly id?: string;
  readonly tags?: readonly string[];
  readonly port?: number;
  readonly meta?: Readonly<Record<string, string>>;
  /** As Consul's API takes it, e.g. `{TTL: '60s', Status: 'passing'}`. */
  readonly check?: Settings;
}

/** Registers it with the node's own agent, and waits until the catalog has it. Returns its id. */
export async function registerService(node: Address, service: ServiceRegistration): Promise<string> {
  const { name, id = name, tags = [], port, meta, check } = service;
  await consulApi(node).request('PUT', 'agent/service/register', {
    body: { ID: id, Name: name, Tags: tags, Port: port, Meta: meta, Check: check },
  });
  await until(
    async () =>
      (await consulApi(node).service(name)).some(
        (entry) =>
          entry.Node === node.name &&
          entry.ServiceID === id &&
          tags.every((tag) => entry.ServiceTags.includes(tag)),
      ),
    `service ${id} of node ${node.name} to stand in the catalog`,
  );
  return id;
}

export async function deregister(node: Address, id: string): Promise<void> {
  await consulApi(node).request('PUT', `agent/service/deregister/${encodeURIComponent(id)}`);
}

/** Processes that carry this text in their environment, e.g. `METRONOME_EVENT_ID=<id>` or a prefix given to handlers. */
export function leftoverProcesses(text: string): FoundProcess[] {
  return processesWith(text);
}
