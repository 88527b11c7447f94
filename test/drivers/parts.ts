/** The parts of the agent that need no Consul: wake-ups, ticks, words to systemd. */
import test from 'ava';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tickPattern } from '../../src/drivers/agent.js';
import { openNotifier } from '../../src/drivers/notify.js';
import { createWorker } from '../../src/drivers/worker.js';
import { cronFields } from '../../src/schedule/cron-fields.js';
import { silent } from '../../src/log.js';
import { tempFolder } from '../support/metronome.js';
import { until } from '../support/until.js';

test('a worker never runs twice at once, and looks again after each wake-up while it runs', async (t) => {
  let at = 0;
  let most = 0;
  let runs = 0;
  let changed = 0;
  let seen = 0;
  const worker = createWorker(async () => {
    most = Math.max(most, ++at);
    runs += 1;
    seen = changed;
    await sleep(Math.random() * 3);
    at -= 1;
  });
  for (let round = 0; round < 300; round += 1) {
    changed += 1;
    worker.wake();
    worker.wake();
    if (round % 7 === 0) await sleep(Math.random() * 4);
    if (round % 50 === 0) {
      await worker.idle();
      t.is(seen, changed);
      t.false(worker.busy);
    }
  }
  await worker.idle();
  t.is(seen, changed);
  t.is(most, 1);
  t.true(runs < 300, 'wake-ups do not pile up');
});

for (const [interval, offset, expected] of [
  [5, 2, '2,7,12,17,22,27,32,37,42,47,52,57 * * * * *'],
  [20, 19, '19,39,59 * * * * *'],
  [20, 20, '0,20,40 * * * * *'],
  [
    60,
    61,
    '1 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59 * * * *',
  ],
  [600, 125, '5 2,12,22,32,42,52 * * * *'],
  [3600, 3599, '59 59 * * * *'],
] as const)
  test(`a tick every ${interval} s, ${offset} s late`, (t) => {
    const pattern = tickPattern(interval * 1000, offset);
    t.is(pattern, expected);
    t.notThrows(() => cronFields(pattern));
  });

const hasNotify = (() => {
  try {
    execFileSync('systemd-notify', ['--version'], { stdio: 'ignore' });
    execFileSync('perl', ['-MSocket', '-e', '1'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

// What systemd's side of the socket does: a datagram socket that prints what comes.
const LISTEN = `
use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, sockaddr_un($ARGV[0])) or die;
while (defined recv($s, my $text, 4096, 0)) { $text =~ s/\\n/ /g; print "$text\\n" if $text ne ''; }
`;

(hasNotify ? test : test.skip)(
  'systemd is told of readiness, reloads, the watchdog and the end',
  async (t) => {
    const socket = join(tempFolder(t), 'notify');
    const listener = spawn('perl', ['-e', LISTEN, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => void listener.kill('SIGKILL'));
    let heard = '';
    listener.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString('utf8')));
    await until(() => existsSync(socket), 'the socket to be there');
    const notifier = openNotifier(
      {
        NOTIFY_SOCKET: socket,
        PATH: process.env.PATH,
        WATCHDOG_USEC: '150000',
        WATCHDOG_PID: String(process.pid),
      },
      silent,
    );
    t.teardown(() => notifier.close());
    notifier.ready('node n1');
    notifier.reloading();
    notifier.ready('node n1 again');
    await until(() => heard.includes('WATCHDOG=1'), 'a ping of the watchdog', 20_000);
    notifier.stopping();
    await until(() => heard.includes('STOPPING=1'), 'the word that it stops', 20_000);
    notifier.close();
    const words = heard.split('\n').filter((line) => line !== '' && !/^(WATCHDOG|BARRIER)=1 ?$/.test(line));
    t.deepEqual(
      words.map((line) => line.trim()),
      ['READY=1 STATUS=node n1', 'RELOADING=1', 'READY=1 STATUS=node n1 again', 'STOPPING=1 STATUS=stopping'],
    );
  },
);

test('without systemd nothing is told', (t) => {
  const notifier = openNotifier({}, silent);
  notifier.ready('x');
  notifier.close();
  t.pass();
});
