import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { consulApi, type Address } from './api.js';
import type { Guard } from './guard.js';
import { freePort } from './ports.js';
import { root } from './project.js';
import { until } from './until.js';

export type Settings = Record<string, unknown>;
export type Kind = 'server' | 'client';

let found: string | undefined;

/** The Consul program: CONSUL_BIN, PATH, the project's cache, or fetched. */
export function consulProgram(): string {
  found ??= execFileSync(join(root, 'deploy/install-consul'), {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
    .trimEnd()
    .split('\n')
    .at(-1);
  if (found === undefined) throw new Error('deploy/install-consul printed no path');
  return found;
}

let version: readonly [number, number] | undefined;

/** Major and minor version of that program. */
export function consulVersion(): readonly [number, number] {
  if (version === undefined) {
    const text = execFileSync(consulProgram(), ['version'], { encoding: 'utf8' });
    const match = /v(\d+)\.(\d+)/.exec(text);
    if (match === null) throw new Error(`unknown Consul version: ${text}`);
    version = [Number(match[1]), Number(match[2])];
  }
  return version;
}

export interface Ports {
  readonly http: number;
  readonly serf: number;
  readonly server: number;
  readonly https: number;
}

export interface AgentPlan {
  readonly name: string;
  readonly kind: Kind;
  /** The agent's own folder: config/, data/, agent.log. */
  readonly dir: string;
  readonly ports: Ports;
  /** Merged over the settings below, section by section. */
  readonly settings: Settings;
}

export async function freePorts(): Promise<Ports> {
  const [http, serf, server, https] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  return { http, serf, server, https };
}

/** Deaths are seen within about two seconds. For clusters whose agents are ended on purpose; a busy machine can make a live agent look dead so. */
export const quickGossip: Settings = {
  gossip_lan: {
    probe_interval: '300ms',
    probe_timeout: '200ms',
    suspicion_mult: 3,
    gossip_interval: '100ms',
  },
};

export function merge(base: Settings, over: Settings): Settings {
  const isSection = (value: unknown): value is Settings =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const merged: Settings = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const former = merged[name];
    merged[name] = isSection(former) && isSection(value) ? merge(former, value) : value;
  }
  return merged;
}

function baseSettings(plan: AgentPlan, servers: readonly AgentPlan[]): Settings {
  const [major, minor] = consulVersion();
  const others = servers.filter(({ name }) => name !== plan.name);
  return {
    node_name: plan.name,
    data_dir: join(plan.dir, 'data'),
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    ports: {
      http: plan.ports.http,
      serf_lan: plan.ports.serf,
      server: plan.ports.server,
      serf_wan: -1,
      dns: -1,
      grpc: -1,
      ...(major > 1 || minor >= 14 ? { grpc_tls: -1 } : {}),
    },
    ...(plan.kind === 'server' ? { server: true, bootstrap_expect: servers.length } : {}),
    retry_join: others.map(({ ports }) => `127.0.0.1:${ports.serf}`),
    retry_interval: '500ms',
    performance: { raft_multiplier: 1 },
    limits: { http_max_conns_per_client: 5000 },
    enable_local_script_checks: true,
    disable_update_check: true,
    disable_remote_exec: true,
    leave_on_terminate: false,
    skip_leave_on_interrupt: true,
    log_level: 'INFO',
  };
}

/** Writes what `consul agent -config-dir` reads. */
export function writeSettings(plan: AgentPlan, servers: readonly AgentPlan[]): void {
  const folder = join(plan.dir, 'config');
  mkdirSync(folder, { recursive: true });
  const settings = merge(baseSettings(plan, servers), plan.settings);
  writeFileSync(join(folder, 'agent.json'), JSON.stringify(settings, null, 2));
}

/** One real Consul agent as a child process under a guard; it may be stopped and started again. */
export class Agent implements Address {
  readonly host = '127.0.0.1';
  readonly #guard: Guard;
  #child: ChildProcess | undefined;

  constructor(
    readonly plan: AgentPlan,
    guard: Guard,
    readonly token?: string,
  ) {
    this.#guard = guard;
  }

  get name(): string {
    return this.plan.name;
  }
  get kind(): Kind {
    return this.plan.kind;
  }
  get dir(): string {
    return this.plan.dir;
  }
  get port(): number {
    return this.plan.ports.http;
  }
  /** Of the agent that runs now; 0 when it does not run. */
  get pid(): number {
    return this.running ? (this.#child?.pid ?? 0) : 0;
  }
  get running(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  log(): string {
    try {
      return readFileSync(join(this.dir, 'agent.log'), 'utf8');
    } catch {
      return '';
    }
  }

  /** Starts it; does not wait until it answers. */
  spawn(): void {
    if (this.running) return;
    const log = openSync(join(this.dir, 'agent.log'), 'a');
    const child = spawn(consulProgram(), ['agent', '-config-dir', join(this.dir, 'config')], {
      cwd: this.dir,
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ...this.#guard.env },
    });
    closeSync(log);
    if (child.pid !== undefined) this.#guard.tell(child.pid);
    child.on('error', () => undefined);
    child.unref();
    this.#child = child;
  }

  /** Answers, and knows a leader. */
  async ready(limit = 20_000): Promise<void> {
    await until(
      async () => {
        if (!this.running) return false;
        return (await consulApi(this).leader()) !== '';
      },
      `Consul agent ${this.name} to answer and know a leader (its log: ${join(this.dir, 'agent.log')})`,
      limit,
    );
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /** As `systemctl stop`: SIGTERM, and the others see it as failed. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It takes its leave of the cluster, and its node goes from the catalog. */
  async leave(): Promise<void> {
    const left = this.#gone();
    await consulApi(this).request('PUT', 'agent/leave');
    await left;
  }

  /**
   * Lays configuration files beside its own, name -> text, and reloads. The way for watches: one that starts with
   * the agent, before there is a leader, fails and waits five seconds for its next try.
   */
  async configure(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.dir, 'config', name), text);
    await consulApi(this).request('PUT', 'agent/reload');
  }

  /** SIGSTOP: answers nothing, keeps everything. */
  pause(): void {
    if (this.pid !== 0) process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.pid !== 0) process.kill(this.pid, 'SIGCONT');
  }

  #gone(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return Promise.resolve();
    child.ref();
    return new Promise((resolve) => child.once('exit', () => resolve()));
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    const gone = this.#gone();
    this.#child?.kill(signal);
    if (signal !== 'SIGKILL') this.resume();
    const hard = setTimeout(() => this.#child?.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(hard);
  }
}
