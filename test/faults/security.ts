/** Consul's ACLs on, TLS with client certificates, signed events, and secrets that appear nowhere. */
import test from 'ava';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dispatch } from '../../handlers/dispatch.js';
import { push } from '../../handlers/push.js';
import { sign, SIGNATURE_LIFE } from '../../src/local/signature.js';
import {
  type Address,
  type Cluster,
  consulApi,
  freshName,
  sharedCluster,
  startCluster,
  until,
} from '../support/cluster.js';
import { metronome } from '../support/metronome.js';
import { root } from '../support/project.js';
import { makeWorld, registerServices, type Services, type WorldOptions } from './_world.js';

let cluster: Cluster;
let services: Services;
test.before(async () => {
  cluster = await startCluster({ servers: 1, clients: 3, acl: true, quick: false });
  services = await registerServices(agents());
});
test.after.always(() => cluster?.close());
const agents = (): WorldOptions['nodes'] => [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')];

const policyText = (name: string, node: string, prefix: string) =>
  readFileSync(join(root, 'deploy/consul', `policy-${name}.hcl`), 'utf8')
    .replaceAll('NODE_NAME', node)
    .replaceAll('metronome/', prefix);

/** A token of these policies; the rules are HCL. */
async function token(...rules: readonly string[]): Promise<string> {
  const api = consulApi(cluster.node('s1'));
  const links: { Name: string }[] = [];
  for (const text of rules) {
    const Name = freshName('policy');
    await api.request('PUT', 'acl/policy', { body: { Name, Rules: text } });
    links.push({ Name });
  }
  const { SecretID } = await api.request<{ SecretID: string }>('PUT', 'acl/token', {
    body: { Policies: links },
  });
  return SecretID;
}

const as = (node: Address, secret: string): Address => ({
  name: node.name,
  host: node.host,
  port: node.port,
  token: secret,
});

async function refused(
  t: { true(value: boolean, message?: string): void },
  work: Promise<unknown>,
  what: string,
) {
  const answer = await work.then(
    () => 'allowed',
    (error: unknown) => String(error),
  );
  t.true(/403|Permission denied/.test(answer), `${what}: ${answer}`);
}

test('with the policies of deploy/consul nodes do their work, and no more; the token appears nowhere', async (t) => {
  t.timeout(120_000);
  const [a, b, c] = agents();
  // World and policies need each other's prefix and tokens: the world of the management token tells the prefix.
  const world = await makeWorld(t, {
    nodes: agents(),
    services,
    work: 'echo "working on $METRONOME_NODE"; while [ ! -e "$PWD/go" ]; do sleep 0.1; done',
  });
  const rules = (name: string, node: Address) => policyText(name, node.name, world.prefix);
  const secrets = {
    n1: await token(rules('node', a), rules('dispatcher', a)),
    n2: await token(rules('node', b)),
    n3: await token(rules('node', c)),
  };
  const nodes = [as(a, secrets.n1), as(b, secrets.n2), as(c, secrets.n3)] as const;
  const said: string[] = [];
  const call = async (node: Address, args: readonly string[], stdin = '') => {
    const result = await world.start(node, args, { stdin, env: {} }).finished;
    said.push(result.stdout, result.stderr);
    return result;
  };
  const id = freshName('e');
  const events = (secret: string) =>
    JSON.stringify([{ ID: id, Name: 'deploy', Payload: Buffer.from(secret).toString('base64') }]);
  // A node that may not dispatch takes events all the same.
  const pushed = await call(nodes[1], ['push'], events(secrets.n2));
  t.is(pushed.code, 0, pushed.stderr);
  t.is(
    (
      await call(
        nodes[0],
        ['push'],
        JSON.stringify([{ ID: freshName('e'), Name: 'deploy', Payload: 'bm8=' }]),
      )
    ).code,
    2,
  );
  const ticks = (async () => {
    await until(
      async () => {
        for (const result of await Promise.all(nodes.map((node) => call(node, ['tick']))))
          t.is(result.code, 0, result.stderr);
        return (await world.open([id])).length === 0;
      },
      'the event to end',
      90_000,
    );
  })();
  await until(() => world.noted().length > 0, 'the first task to run', 30_000);
  const arguments_ = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1');
      } catch {
        return '';
      }
    })
    .join('\n');
  writeFileSync(join(world.folder, 'pattern/go'), '');
  await ticks;
  t.is(await world.status(id), 'success', said.join('\n'));
  t.deepEqual(await world.faults([id]), []);

  // Not another node's inbox, nor what only a dispatcher writes, nor keys that are not metronome's.
  const own = consulApi(nodes[1]);
  await refused(t, own.kvPut(`${world.prefix}inbox/n3/x/0`, '{}'), "another node's inbox");
  await refused(t, own.kvPut(`${world.prefix}active/default/0`, 'x'), 'a slot');
  await refused(t, own.kvPut(`${world.prefix}control/x`, '{}'), "an operator's word");
  await refused(t, own.kvGet('secret/of/others'), 'other keys');
  await refused(t, own.kvPut('secret/of/others', 'x'), 'other keys');
  const forged = await own.txn([{ KV: { Verb: 'set', Key: `${world.prefix}inbox/n3/x/0`, Value: '{}' } }]);
  t.false(forged.ok);
  const session = await own.createSession({ Node: 'n3' }).then(
    () => 'allowed',
    (error: unknown) => String(error),
  );
  t.regex(session, /403|Permission/);

  // What may not be done is named where somebody asked for it, and is no fault where nobody did.
  const next = freshName('e');
  await push(
    world.context(a, {}),
    world
      .input(next)
      .replace(
        '"Payload":null',
        `"Payload":${JSON.stringify(Buffer.from(cluster.token ?? '').toString('base64'))}`,
      ),
  );
  const dispatched = await call(nodes[1], ['dispatch']);
  t.is(dispatched.code, 1, dispatched.stderr);
  t.regex(dispatched.stderr, /the token lacks key:write on ".*active\/default\/0"/);
  t.is((await call(nodes[1], ['tick'])).code, 0);

  const bare = await token(rules('node', a).replace(/session "n1" \{[^}]*\}/, ''), rules('dispatcher', a));
  const nameless = await call(as(a, bare), ['tick']);
  t.is(nameless.code, 1, nameless.stderr);
  t.regex(nameless.stderr, /the token lacks session:write on node n1/);

  const everything = JSON.stringify(await world.api.kvTexts(world.prefix)) + said.join('\n') + arguments_;
  for (const secret of [...Object.values(secrets), bare])
    t.false(everything.includes(secret), 'a token appears');
  for (const name of ['n1', 'n2', 'n3']) {
    const folder = join(world.folder, `state-${name}`);
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      try {
        const text = readFileSync(join(folder, file), 'utf8');
        for (const secret of Object.values(secrets))
          t.false(text.includes(secret), `a token stands in ${file}`);
      } catch {
        // A folder.
      }
    }
  }
});

test('the operator policy reads all, fires and decides, and writes no inbox', async (t) => {
  const prefix = `${freshName('op')}/`;
  const operator = consulApi(as(cluster.node('n1'), await token(policyText('operator', 'n1', prefix))));
  t.true(await operator.kvPut(`${prefix}event_queue/x`, '{}'));
  t.true(await operator.kvPut(`${prefix}control/x`, '{}'));
  t.deepEqual(await operator.kvKeys(prefix), [`${prefix}control/x`, `${prefix}event_queue/x`]);
  await refused(t, operator.kvPut(`${prefix}inbox/n1/x/0`, '{}'), 'an inbox');
  await refused(t, operator.kvPut(`${prefix}progress_task_queue/x/run`, '{}'), 'a run');
  await refused(t, operator.kvGet('secret/of/others'), 'other keys');
});

test('the operator policy is enough for the commands of operators, on a machine that may not dispatch', async (t) => {
  const world = await makeWorld(t, { nodes: agents(), services, work: 'true' });
  const [a] = agents();
  const operator = as(a, await token(policyText('operator', 'n1', world.prefix)));
  const call = async (...args: string[]) => {
    const result = await world.start(operator, args, { env: {} }).finished;
    t.is(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    return result;
  };
  const fire = async () => (JSON.parse((await call('fire', 'deploy', '--json')).stdout) as { ID: string }).ID;
  const first = await fire();
  const second = await fire();
  await call('plan', 'deploy');
  await call('queue', 'move', second, '--first');
  await call('cancel', second);
  // A node that may dispatch makes it a run.
  await dispatch(world.context(a));
  t.regex((await call('status', first)).stdout, /: running for /);
  await call('pause', first);
  await call('cancel', first, '--reason', 'enough');
  await world.settle([first]);
  t.is(await world.status(first), 'cancelled');
  t.regex((await call('status')).stdout, new RegExp(`${second} .*cancelled`));
  t.regex((await call('status', first)).stdout, /cancel by .*: enough/);
  await call('gc', '--keep', '1h');
  const again = JSON.parse((await call('rerun', first, '--json')).stdout) as { ID: string };
  await call('cancel', '--queued');
  t.is(await world.status(again.ID), 'cancelled');
});

test('an unknown token is refused with one line, without the token', async (t) => {
  const secret = '11111111-2222-3333-4444-555555555555';
  const world = await makeWorld(t, { nodes: agents(), services });
  const { code, stderr } = await world.start(as(cluster.node('n1'), secret), ['tick']).finished;
  t.is(code, 1);
  t.regex(stderr, /refused|lacks/);
  t.false(stderr.includes(secret));
});

test('TLS with client certificates; a wrong authority and a missing certificate are refused', async (t) => {
  t.timeout(60_000);
  const secure = await startCluster({ servers: 1, tls: true });
  t.teardown(() => secure.close());
  const { tls } = secure;
  const node = secure.node('s1');
  if (tls === undefined) return t.fail();
  const world = await makeWorld(t, { nodes: [node, node, node], services });
  const env = {
    CONSUL_HTTP_ADDR: `https://127.0.0.1:${node.plan.ports.https}`,
    CONSUL_CACERT: tls.ca,
    CONSUL_CLIENT_CERT: tls.clientCert,
    CONSUL_CLIENT_KEY: tls.clientKey,
  };
  const good = await world.start(node, ['tick'], { env }).finished;
  t.is(good.code, 0, good.stderr);
  const wrong = await world.start(node, ['dispatch'], { env: { ...env, CONSUL_CACERT: tls.wrongCa } })
    .finished;
  t.is(wrong.code, 3, wrong.stderr);
  t.regex(wrong.stderr, /does not answer \(.*certificate.*\): check ca-cert/i);
  const { CONSUL_CLIENT_CERT: _, CONSUL_CLIENT_KEY: __, ...without } = env;
  const bare = await world.start(node, ['dispatch'], { env: without }).finished;
  t.is(bare.code, 3, bare.stderr);
  t.regex(bare.stderr, /check ca-cert, client-cert and client-key/);
});

test('signed events: only with the key, once, and not after their time', async (t) => {
  const shared = sharedCluster();
  const nodes = [shared.node('n1'), shared.node('n2'), shared.node('n3')] as const;
  const world = await makeWorld(t, { nodes, services });
  const eventKey = 'a key that nobody may see';
  const now = Date.now();
  const context = world.context(nodes[0], { eventKey }, { now: () => now });
  const watched = (payload: string) =>
    JSON.stringify([
      { ID: freshName('e'), Name: 'deploy', Payload: Buffer.from(payload).toString('base64') },
    ]);
  const signed = sign('deploy', 'v42', eventKey, now);
  t.true(Buffer.byteLength(signed) <= 100);
  const first = await push(context, watched(signed));
  t.is(first.queued.length, 1);
  // The same payload fired again has a new ID of Consul's and is the same event.
  const replayed = await push(context, watched(signed));
  t.deepEqual([replayed.queued, replayed.known], [[], first.queued]);
  const refusals = [
    watched('v42'),
    watched(sign('deploy', 'v42', 'another key', now)),
    watched(sign('backup', 'v42', eventKey, now)),
    watched(signed.replace('v42', 'v43')),
  ];
  for (const input of refusals) {
    const { queued, faults } = await push(context, input);
    t.deepEqual([queued.length, faults.length], [0, 1], input);
    t.false(faults.join().includes(eventKey));
  }
  const old = await push(context, watched(sign('deploy', '', eventKey, now - SIGNATURE_LIFE - 1000)));
  t.deepEqual([old.queued, old.faults, old.dismissed.length], [[], [], 1]);
  await dispatch(context);
  t.false(JSON.stringify(await world.api.kvTexts(world.prefix)).includes(eventKey));
});

test('as root a schedule file that others may write is refused', async (t) => {
  if (process.getuid?.() !== 0) {
    t.log('skipped: not root');
    return t.pass();
  }
  const shared = sharedCluster();
  const nodes = [shared.node('n1'), shared.node('n2'), shared.node('n3')] as const;
  const world = await makeWorld(t, { nodes });
  const id = freshName('e');
  await push(world.context(nodes[0]), world.input(id));
  await dispatch(world.context(nodes[0]));
  for (const [path, mode] of [
    [world.schedule, 0o666],
    [join(world.folder, 'pattern'), 0o777],
  ] as const) {
    const before = mode === 0o666 ? 0o644 : 0o755;
    chmodSync(path, mode);
    const { code, stdout } = await metronome(null, ['validate', world.schedule]);
    t.is(code, 2);
    t.regex(stdout, /can be written by every user/);
    const pushed = await world.start(nodes[1], ['push'], { stdin: world.input(freshName('e')) }).finished;
    t.is(pushed.code, 3, pushed.stderr);
    chmodSync(path, before);
  }
  chmodSync(world.schedule, 0o666);
  const executed = await world.start(nodes[0], ['execute']).finished;
  t.is(executed.code, 0, executed.stderr);
  t.deepEqual(world.noted(), [], 'nothing of it ran');
  t.regex(String((await world.result(`${id}/0/n1`))?.Reason), /can be written by every user/);
  t.true(existsSync(world.stateDir(nodes[0])));
});
