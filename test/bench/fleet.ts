/** Agents and files for the measurements: real processes of the built command on a real cluster. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { consulApi, startCluster, until, type Cluster } from '../support/cluster.js';
import { command } from '../support/project.js';

export interface Bench {
  readonly cluster: Cluster;
  readonly prefix: string;
  /** Starts `metronome agent` on a node; it is ended with the cluster. */
  agent(node: string, port?: number): ChildProcess;
  /** ms since 1970 that operations noted, in order. */
  marks(): number[];
  clear(): void;
  args(node: string): string[];
  environment(node: string, port?: number): NodeJS.ProcessEnv;
  ended(ids: readonly string[], limit?: number): Promise<void>;
  close(): Promise<void>;
}

const STEPS = 20;

export async function startBench(clients: number): Promise<Bench> {
  const cluster = await startCluster({ servers: 1, clients });
  const dir = cluster.dir;
  const prefix = 'bench/';
  const ledger = join(dir, 'ledger');
  const file = join(dir, 'bench', 'task.yml');
  mkdirSync(dirname(file), { recursive: true });
  const steps = (services: readonly string[]) =>
    Array.from({ length: STEPS }, (_, at) => `{service: ${services[at % services.length]}, task: mark}`).join(
      ', ',
    );
  writeFileSync(
    file,
    `events:
  chain: {ordered_tasks: [${steps(['one'])}]}
  turns: {ordered_tasks: [${steps(['one', 'two'])}]}
  single: {ordered_tasks: [{service: one, task: mark}]}
  nothing: {ordered_tasks: [{service: one, task: nothing}]}
tasks:
  mark: {operations: [{execute: {script: 'date +%s%N >> ${ledger}'}}]}
  nothing: {operations: [{echo: nothing}]}
`,
  );
  for (const [node, service] of [
    ['n1', 'one'],
    ['n2', 'two'],
  ] as const) {
    const at = cluster.nodes.find((one) => one.name === node);
    if (at !== undefined)
      await consulApi(at).request('PUT', 'agent/service/register', { body: { Name: service } });
  }
  writeFileSync(ledger, '');
  const children: ChildProcess[] = [];
  const args = (node: string) => [
    '--prefix',
    prefix,
    '--state-dir',
    join(dir, 'state', node),
    '--files',
    file,
  ];
  const environment = (node: string, port?: number) => {
    const at = cluster.node(node);
    return { ...process.env, ...cluster.env, CONSUL_HTTP_ADDR: `${at.host}:${port ?? at.port}` };
  };
  return {
    cluster,
    prefix,
    args,
    environment,
    agent(node, port) {
      const child = spawn(process.execPath, [command, 'agent', ...args(node)], {
        env: environment(node, port),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child.stderr?.on('data', (chunk: Buffer) => {
        if (/\[(ERROR|WARN )\]/.test(chunk.toString())) process.stderr.write(chunk);
      });
      children.push(child);
      return child;
    },
    marks: () =>
      readFileSync(ledger, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => Number(line) / 1e6),
    clear: () => writeFileSync(ledger, ''),
    async ended(ids, limit = 120_000) {
      const api = consulApi(cluster.nodes[0] as Cluster['nodes'][number]);
      for (const id of ids) {
        await until(
          async () => {
            const entry = await api.kvGet(`${prefix}results/${id}`);
            const result =
              entry === null ? {} : (JSON.parse(entry.value) as { Status?: string; FinishedAt?: string });
            if (result.FinishedAt !== undefined && result.Status !== 'success')
              throw new Error(`${id} ended ${result.Status}`);
            return result.FinishedAt !== undefined;
          },
          `event ${id} to end`,
          limit,
          50,
        );
      }
    },
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await cluster.close();
    },
  };
}
