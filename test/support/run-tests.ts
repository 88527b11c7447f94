/**
 * Starts the Consul agents that tests share, runs ava, ends the agents, and prints `N passed, N failed` last.
 *   npm test                                  all tests
 *   npm test -- test/store/queue.ts           one file
 *   npm test -- test/store --match '*late*'   a folder, and any of ava's flags
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { consulProgram, consulVersion } from './agent.js';
import { SHARED, startCluster, type Cluster } from './cluster.js';
import { countsOf, summary } from './counts.js';
import { startGuard } from './guard.js';
import { root } from './project.js';

/** What was compiled from a file that is gone would still be run. */
function removeStale(): void {
  const build = join(root, 'build');
  for (const name of readdirSync(build, { recursive: true, encoding: 'utf8' })) {
    if (!/\.js(\.map)?$/.test(name)) continue;
    if (!existsSync(join(root, name.replace(/\.js(\.map)?$/, '.ts'))))
      rmSync(join(build, name), { force: true });
  }
}

/** `test/store/queue.ts`, or a folder, becomes what was compiled from it. */
function compiled(argument: string): string {
  if (argument.startsWith('-') || !existsSync(join(root, argument))) return argument;
  const name = relative(root, join(root, argument));
  if (!name.startsWith('test')) return argument;
  return statSync(join(root, name)).isDirectory()
    ? `build/${name}/**/*.js`
    : `build/${name.replace(/\.ts$/, '.js')}`;
}

function tell(cluster: Cluster): string {
  const nodes = cluster.nodes.map(({ name, host, port, pid, dir }) => ({
    name,
    http: { host, port },
    pid,
    dir,
  }));
  return JSON.stringify({ consul: consulProgram(), nodes });
}

async function main(): Promise<number> {
  removeStale();
  const start = performance.now();
  // Deaths are seen slowly here: no agent of the shared cluster is ended, and on a busy machine a live one must not look dead.
  const cluster = await startCluster({ servers: 1, clients: 4, quick: false });
  const guard = startGuard('');
  const took = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `Consul ${consulVersion().join('.')}: ${cluster.nodes.map(({ name }) => name).join(' ')} up in ${took} s`,
  );

  const ava = spawn(
    process.execPath,
    [join(root, 'node_modules/ava/entrypoints/cli.mjs'), ...process.argv.slice(2).map(compiled)],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...guard.env,
        [SHARED]: tell(cluster),
        CONSUL_BIN: consulProgram(),
        ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}),
      },
    },
  );
  let interrupted: NodeJS.Signals | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = signal;
      ava.kill('SIGTERM');
    });
  }

  let report = '';
  ava.stdout.on('data', (chunk: Buffer) => {
    report += chunk.toString('utf8');
    process.stdout.write(chunk);
  });
  const code = await new Promise<number>((resolve) => {
    ava.once('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    ava.once('close', (status) => resolve(status ?? 1));
  });

  const died = cluster.nodes.filter(({ running }) => !running).map(({ name }) => name);
  if (died.length > 0) console.error(`Consul agents that ended during the tests: ${died.join(', ')}`);
  const left = cluster.leftovers();
  for (const { pid, command } of left) console.error(`left behind by Consul: ${pid} ${command}`);
  await Promise.all([guard.end(), cluster.close()]);

  const counts = countsOf(report, code === 0 && interrupted === undefined);
  console.log(summary(counts));
  if (interrupted !== undefined) return 130;
  return code;
}

process.exitCode = await main();
