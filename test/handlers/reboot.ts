/**
 * The operation `reboot` on a real Consul. No machine reboots here: the command is a stand-in that changes the file
 * which METRONOME_BOOT_ID_FILE names and ends the handler, as a shutdown does.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { dispatch } from '../../handlers/dispatch.js';
import { freshName, until } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { metronome } from '../support/metronome.js';
import { run, task } from './_tasks.js';

test('a rolling reboot: one machine after the other, each goes on after its reboot, nobody is called lost', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
environments: {BOOT: '$METRONOME_BOOT_ID_FILE', ENDING: '$ENDING'}
events:
  kernel:
    ordered_tasks: [{service: ${app}, task: kernel, serial: 1, health_check: true, min_healthy_time: 0, lost_grace: 1s}]
tasks:${task(
        'kernel',
        run('note start'),
        // A stand-in: a new boot id, and the end of the handler that runs this.
        `
      - reboot:
          command: echo second > "$BOOT"; kill "-$ENDING" $PPID; sleep 60
          timeout: 1m`,
        run('note end'),
      )}
`,
    },
  });
  for (const { name } of f.nodes) await f.serve(name, app);
  const id = await f.fire('kernel');
  /** A handler process on a machine of its own. */
  const tick = (name: string, ending: string) => {
    const node = f.node(name);
    const boot = join(f.dir, `boot-${name}`);
    if (ending !== '') writeFileSync(boot, 'first\n');
    return metronome(node.address, ['tick'], {
      prefix: f.prefix,
      stateDir: node.config.stateDir,
      files: node.config.files,
      env: { METRONOME_BOOT_ID_FILE: boot, ENDING: ending },
    });
  };
  const outcome = async (name: string) =>
    JSON.parse((await f.api.kvGet(`${f.prefix}progress_task_queue/${id}/0/${name}`))?.value ?? '{}') as {
      status?: string;
      session?: string;
      reboot?: number;
    };

  // n1's handler is killed without a word.
  mkdirSync(f.node('n1').config.stateDir, { recursive: true });
  t.is((await tick('n1', 'KILL')).signal, 'SIGKILL');
  t.deepEqual(f.starts(), ['n1 kernel']);
  t.like(await outcome('n1'), { status: 'inprogress', reboot: 60_000 });
  // While it is away its session ends. Ten times lost_grace later it is still not lost, and n2 is not released.
  await f.api.destroySession((await outcome('n1')).session ?? '');
  await f.node('n2').dispatch();
  const later = f.node('n2').context({ now: () => Date.now() + 10_000 });
  await dispatch(later);
  t.like(await outcome('n1'), { status: 'inprogress', reboot: 60_000 });
  t.deepEqual(await f.api.kvKeys(`${f.prefix}inbox/n2/${id}/`), []);
  // It is back.
  t.is((await tick('n1', '')).code, 0);
  t.deepEqual(
    f.ledger().map(({ node, what }) => `${node} ${what}`),
    ['n1 start', 'n1 end'],
  );

  // n2's handler is told to stop, as by systemd at a shutdown: it leaves the claim and says nothing.
  await until(
    async () => {
      await f.node('n1').dispatch();
      return (await f.api.kvKeys(`${f.prefix}inbox/n2/${id}/`)).length === 1;
    },
    'n2 to be released once n1 is healthy',
    20_000,
  );
  await tick('n2', 'TERM');
  t.like(await outcome('n2'), { status: 'inprogress', reboot: 60_000 });
  t.is((await tick('n2', '')).code, 0);

  const { event, nodes } = await f.ended(id);
  t.is(event.Status, 'success');
  t.deepEqual(
    f.ledger().map(({ node, what }) => `${node} ${what}`),
    ['n1 start', 'n1 end', 'n2 start', 'n2 end'],
  );
  for (const name of ['n1', 'n2']) {
    // One log, from before the reboot to after it.
    const log = (await f.api.kvGet(`${f.prefix}results/${id}/0/${name}/log`))?.value ?? '';
    t.regex(log, /has started[^]*Operation reboot[^]*the machine is back[^]*finished with success/);
    const result = nodes.find(({ Node }) => Node === name);
    // The start is the first one's: the log begins after it, and before the machine went down.
    t.true(Date.parse(log.slice(0, 24)) >= Date.parse(result?.StartedAt ?? ''));
    t.deepEqual(readFileSync(join(f.dir, `boot-${name}`), 'utf8'), 'second\n');
  }
  t.deepEqual(await f.left(), []);
});

test('a machine that does not reboot within its timeout is an error, and the run ends', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
events: {kernel: {ordered_tasks: [{service: ${app}, task: kernel}]}}
tasks:${task('kernel', "\n      - reboot: {command: 'true', timeout: 600ms}", run('note start'))}
`,
    },
  });
  await f.serve('n1', app);
  const { event, nodes } = await f.ended(await f.fire('kernel'));
  t.is(event.Status, 'error');
  t.regex(nodes[0]?.Reason ?? '', /the machine has not rebooted within 600 ms/);
  t.deepEqual(f.ledger(), []);
});

test('a cancel ends the wait for a machine that is to reboot', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    nodes: ['n1', 'n2'],
    files: {
      web: `
events: {kernel: {ordered_tasks: [{service: ${app}, task: kernel, grace: 1s}]}}
tasks:${task('kernel', run('note start'), "\n      - reboot: {command: 'true'}", run('note end'))}
`,
    },
  });
  await f.serve('n1', app);
  const id = await f.fire('kernel');
  const ended = f.ended(id);
  await until(() => f.starts().length === 1, 'the command to run', 20_000);
  await f.api.kvPut(`${f.prefix}control/${id}`, JSON.stringify({ cancel: 1 }));
  t.is((await ended).event.Status, 'cancelled');
  t.deepEqual(f.starts(), ['n1 kernel']);
  t.deepEqual(await f.left(), []);
});
