/**
 * Run inside a network namespace (argument: the name of the other one, which a veth pair joins to it): a Consul
 * server and two clients here, a client with an executor over there. The link is cut while the executor
 * works, and healed when the others have called it lost. Prints what was seen, as one line of JSON.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dispatch } from '../../handlers/dispatch.js';
import { push } from '../../handlers/push.js';
import { tick } from '../../handlers/tick.js';
import { consulProgram, freePorts, type Ports } from '../support/agent.js';
import {
  consulApi,
  freshName,
  leftoverProcesses,
  registerService,
  startCluster,
  until,
} from '../support/cluster.js';
import { command } from '../support/project.js';
import { World } from './_world.js';

const HERE = '10.231.77.1';
const THERE = '10.231.77.2';
const there = process.argv[2] ?? '';
const inside = ['netns', 'exec', there];
const link = (state: 'up' | 'down') => execFileSync('ip', ['-n', there, 'link', 'set', 'cut1', state]);

const undo: (() => Promise<void> | void)[] = [];
try {
  let server: Ports | undefined;
  const cluster = await startCluster({
    servers: 1,
    clients: ['n2', 'n3'],
    config: ({ kind, ports }) => {
      if (kind === 'server') server = ports;
      return { bind_addr: HERE, retry_join: kind === 'server' ? [] : [`${HERE}:${server?.serf}`] };
    },
  });
  undo.push(() => cluster.close());
  const services = { first: freshName('db'), middle: freshName('app'), last: freshName('lb') };
  const ports = await freePorts();
  const config = join(cluster.dir, 'n1/config');
  mkdirSync(config, { recursive: true });
  writeFileSync(
    join(config, 'agent.json'),
    JSON.stringify({
      node_name: 'n1',
      data_dir: join(cluster.dir, 'n1/data'),
      bind_addr: THERE,
      client_addr: '127.0.0.1',
      ports: { http: ports.http, serf_lan: ports.serf, serf_wan: -1, dns: -1, grpc: -1 },
      retry_join: [`${HERE}:${server?.serf}`],
      retry_interval: '500ms',
      disable_update_check: true,
      services: [{ name: services.first }, { name: services.last }],
    }),
  );
  spawn('ip', [...inside, consulProgram(), 'agent', '-config-dir', config], {
    stdio: 'ignore',
    env: { ...process.env, ...cluster.env },
  });
  const n2 = cluster.node('n2');
  const n3 = cluster.node('n3');
  const api = consulApi(n2);
  await registerService(n2, { name: services.middle });
  await registerService(n3, { name: services.middle });
  await until(
    async () => (await api.service(services.first)).length === 1,
    'the far node to stand in the catalog',
    30_000,
  );

  const far = { name: 'n1', host: '127.0.0.1', port: ports.http };
  const world = new World(
    { teardown: (clean) => void undo.unshift(clean) },
    {
      nodes: [far, n2, n3],
      by: n2,
      services,
      step: ['lost_grace: 5s', 'grace: 1s'],
      work: `case $METRONOME_STEP in 0) trap '' TERM; while [ ! -e "$PWD/go" ]; do sleep 0.1; done;; esac`,
    },
  );
  const farHandler = (name: string) => {
    const flags = ['--prefix', world.prefix, '--state-dir', world.stateDir(far), '--files', world.schedule];
    const child = spawn('ip', [...inside, process.execPath, command, name, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...cluster.env, CONSUL_HTTP_ADDR: `127.0.0.1:${ports.http}` },
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    return new Promise<string>((resolve) => child.once('close', () => resolve(said)));
  };

  const id = freshName('e');
  await push(world.context(n2), world.input(id));
  await dispatch(world.context(n2));
  const executor = farHandler('execute');
  await until(() => world.noted().length > 0, 'the far task to start', 30_000);
  link('down');
  let runningWhenLost: number | undefined;
  await until(
    async () => {
      await tick(world.context(n2));
      if ((await world.status(id)) !== 'error') return false;
      runningWhenLost = leftoverProcesses(`METRONOME_EVENT_ID=${id}`).length;
      return true;
    },
    'the others to call it lost',
    120_000,
    200,
  );
  link('up');
  const said = await executor;
  const next = freshName('e');
  writeFileSync(join(world.folder, 'pattern/go'), '');
  await push(world.context(n2), world.input(next));
  await until(
    async () => {
      await Promise.all([farHandler('tick'), tick(world.context(n2)), tick(world.context(n3))]);
      return (await world.open([id, next])).length === 0;
    },
    'the next event to end',
    120_000,
  );
  const result = await world.result(`${id}/0/n1`);
  console.log(
    JSON.stringify({
      runningWhenLost,
      reason: result?.Reason,
      statuses: [await world.status(id), await world.status(next)],
      faults: await world.faults([id, next]),
      stopped: /given away|no contact/.test(said),
    }),
  );
} finally {
  for (const step of undo) await step();
}
process.exit();
