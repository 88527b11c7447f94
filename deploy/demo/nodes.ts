import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, openSync, closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ports } from '../../test/support/agent.js';
import { consulApi, startCluster, until, type Cluster } from '../../test/support/cluster.js';
import { command, root } from '../../test/support/project.js';
import type { NodeRecord, Tier } from './timeline.js';

export const PREFIX = 'metronome/';

interface DemoNode {
  readonly name: string;
  readonly service: string;
  readonly tags: readonly string[];
  readonly port: number;
}

/** The load balancer's agent is the Consul server too, so that four clients and one server make five nodes. */
const SERVER = 'lb1';

export const NODES: readonly DemoNode[] = [
  { name: 'db1', service: 'database', tags: ['primary'], port: 5432 },
  { name: 'db2', service: 'database', tags: ['standby'], port: 5432 },
  { name: 'app1', service: 'application', tags: [], port: 8080 },
  { name: 'app2', service: 'application', tags: [], port: 8080 },
  { name: SERVER, service: 'load-balancer', tags: [], port: 80 },
];

export const TIERS: readonly Tier[] = [
  { what: 'database primary', nodes: ['db1'] },
  { what: 'database standby', nodes: ['db2'] },
  { what: 'application servers', nodes: ['app1', 'app2'] },
  { what: 'load balancer', nodes: ['lb1'] },
];

const configFile = (dir: string) => join(dir, 'config.yml');
const patternFolder = (dir: string) => join(dir, 'three-tier');

/** What an operator lays down on a node: the schedule file with its scripts, and metronome's configuration. */
function nodeFiles(dir: string, ports: Ports): Record<string, string> {
  mkdirSync(join(dir, 'state'), { recursive: true, mode: 0o700 });
  cpSync(join(root, 'deploy/examples/three-tier'), patternFolder(dir), { recursive: true });
  const config = {
    host: '127.0.0.1',
    port: ports.http,
    files: join(patternFolder(dir), 'task.yml'),
    'state-dir': join(dir, 'state'),
  };
  const lines = Object.entries(config).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`);
  return { [configFile(dir)]: lines.join('') };
}

/** deploy/consul's files for this node: its name, and the path of the command and of its configuration, which here is not in /etc. */
function watchFiles(name: string, dir: string): Record<string, string> {
  const replace = (key: string, value: unknown): unknown =>
    key === 'args' && Array.isArray(value) && value[0] === 'metronome'
      ? [process.execPath, command, ...value.slice(1), '--config', configFile(dir)]
      : value;
  const files = ['metronome-watches.json', 'metronome-service.json'].map((file) => {
    const text = readFileSync(join(root, 'deploy/consul', file), 'utf8').replaceAll('NODE_NAME', name);
    return [file, JSON.stringify(JSON.parse(text, replace), null, 2)] as const;
  });
  return Object.fromEntries(files);
}

/** The cluster, each node with its service and its files. */
export function startNodes(): Promise<Cluster> {
  return startCluster({
    servers: [SERVER],
    clients: NODES.map(({ name }) => name).filter((name) => name !== SERVER),
    quick: false,
    files: ({ name, dir, ports }) => {
      const node = NODES.find((one) => one.name === name);
      const service = { service: { name: node?.service, tags: node?.tags, port: node?.port } };
      return {
        ...nodeFiles(dir, ports),
        [join(dir, 'config/service.json')]: JSON.stringify(service, null, 2),
      };
    },
  });
}

/** As an operator would: lays down deploy/consul's files and reloads Consul. Done when every node has its inbox and its service. */
export async function wire(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.configure(watchFiles(node.name, node.dir))));
  const api = consulApi(cluster.node(SERVER));
  for (const { name, service } of NODES) {
    const registered = async () => (await api.service(service)).some(({ Node }) => Node === name);
    await until(registered, `service ${service} of node ${name} to stand in the catalog`);
    await until(() => api.kvGet(`${PREFIX}inbox/${name}/.keep`), `node ${name} to have its inbox`, 20_000);
  }
}

/** Stands for the systemd timer: calls `metronome tick` on every node, again and again, until stopped. */
export function startTicks(cluster: Cluster, every: number): { stop(): void } {
  let stopped = false;
  const timers = cluster.nodes.map((node) => {
    let running = false;
    const tick = () => {
      if (running || stopped) return;
      running = true;
      const log = openSync(join(node.dir, 'tick.log'), 'a');
      const child = spawn(process.execPath, [command, 'tick', '--config', configFile(node.dir)], {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...cluster.env },
      });
      closeSync(log);
      const over = () => {
        running = false;
      };
      child.once('error', over);
      child.once('exit', over);
    };
    tick();
    return setInterval(tick, every);
  });
  return {
    stop: () => {
      stopped = true;
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** What the tasks themselves noted, beside their schedule file. */
export function records(cluster: Cluster): NodeRecord[] {
  return NODES.map(({ name }) => {
    const path = join(patternFolder(cluster.node(name).dir), 'configured.log');
    try {
      return { node: name, text: readFileSync(path, 'utf8') };
    } catch {
      return { node: name, text: '' };
    }
  });
}

/** The last lines of what the handlers said, for when something went wrong. */
export function lastWords(cluster: Cluster): string[] {
  return cluster.nodes.flatMap((node) => {
    const ticks = read(join(node.dir, 'tick.log')).trim().split('\n').slice(-5);
    const agent = node
      .log()
      .split('\n')
      .filter((line) => /agent: .*(watch|handler)/i.test(line))
      .slice(-5);
    return [`--- ${node.name}`, ...ticks, ...agent].filter((line) => line !== '');
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
