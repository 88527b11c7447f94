/** The local lock between real processes, which are killed and stopped. */
import test from 'ava';
import { existsSync, mkdirSync, readdirSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { holds, until } from '../support/until.js';
import { tempFolder } from '../support/metronome.js';
import { mostInside, readJournal, startHandler } from './_children.js';

test('a killed holder’s lock is taken at once, and the taker knows', async (t) => {
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  const first = startHandler(t, stateDir, journal, 'hold');
  t.is(await first.says('mine'), 'mine false');
  const second = startHandler(t, stateDir, journal, 'hold');
  await until(() => existsSync(join(stateDir, 'execute.waiter.lock')), 'the second to wait', 60_000);
  first.kill('SIGKILL');
  await first.ended();
  // Its lockfile is not stale yet: nobody has to wait for that.
  t.is(await second.says('mine'), 'mine true');
  second.tell('release');
  await second.ended();
  t.deepEqual(readdirSync(stateDir), []);
  const third = startHandler(t, stateDir, journal, 'hold');
  t.is(await third.says('mine'), 'mine false', 'that is over');
});

test('a killed waiter leaves its place to others', async (t) => {
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  const first = startHandler(t, stateDir, journal, 'hold');
  await first.says('mine');
  const second = startHandler(t, stateDir, journal, 'hold');
  await until(() => existsSync(join(stateDir, 'execute.waiter.lock')), 'the second to wait', 60_000);
  second.kill('SIGKILL');
  await second.ended();
  utimesSync(join(stateDir, 'execute.waiter.lock'), 1000, 1000);
  const third = startHandler(t, stateDir, journal, 'hold');
  await third.says('ready');
  await holds(() => third.said().length === 1, 'the third waiting', 300);
  first.tell('release');
  t.is(await third.says('mine'), 'mine false');
});

test('a stopped holder keeps its lock, however old the lockfile is, and goes on', async (t) => {
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  const lock = join(stateDir, 'execute.lock');
  const first = startHandler(t, stateDir, journal, 'hold');
  await first.says('mine');
  first.kill('SIGSTOP');
  const old = () => {
    try {
      utimesSync(lock, 1000, 1000);
    } catch {
      // A newcomer took it for stale, saw whose it is, and is giving it back.
    }
  };
  old();
  const second = startHandler(t, stateDir, journal, 'hold');
  await until(() => existsSync(join(stateDir, 'execute.waiter.lock')), 'the second to wait', 60_000);
  await second.says('ready');
  for (let round = 0; round < 4; round += 1) {
    old();
    await holds(() => second.said().length === 1, 'the second waiting', 150);
  }
  const third = startHandler(t, stateDir, journal, 'hold');
  t.is(await third.says('busy'), 'busy one runs and one waits already');
  t.true(existsSync(join(stateDir, 'execute.holder.json')));

  first.kill('SIGCONT');
  await holds(() => second.said().length === 1, 'the second waiting while the first goes on', 1500);
  first.tell('release');
  t.is(await second.says('mine'), 'mine false');
  await first.ended();
  second.tell('release');
  await second.ended();
  t.is(mostInside(readJournal(journal)), 1);
  t.deepEqual(readdirSync(stateDir), []);
});

test('a stopped holder that is killed is taken over', async (t) => {
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  const first = startHandler(t, stateDir, journal, 'hold');
  await first.says('mine');
  first.kill('SIGSTOP');
  utimesSync(join(stateDir, 'execute.lock'), 1000, 1000);
  const second = startHandler(t, stateDir, journal, 'hold');
  await until(() => existsSync(join(stateDir, 'execute.waiter.lock')), 'the second to wait', 60_000);
  first.kill('SIGKILL');
  t.is(await second.says('mine'), 'mine true');
});

test('fifty processes at once: four turns each: never two inside, and none is left waiting', async (t) => {
  t.timeout(110_000);
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  writeFileSync(journal, '');
  const handlers = Array.from({ length: 50 }, () => startHandler(t, stateDir, journal, 'take'));
  await Promise.all(handlers.map((one) => one.says('ready')));
  for (const one of handlers) one.tell('go');
  await Promise.all(handlers.map((one) => one.ended()));
  const lines = readJournal(journal);
  t.is(mostInside(lines), 1);
  const count = (start: string) => lines.filter(([, what]) => what.startsWith(start)).length;
  t.is(count('enter') + count('busy'), 200);
  t.is(count('leave'), count('enter'));
  t.is(count('enter over'), 0);
  t.true(count('enter') >= 2);
  t.log(`${count('enter')} had a turn, ${count('busy')} left`);
  t.deepEqual(readdirSync(stateDir), []);
});

test('a dead holder and a lockfile gone stale: of thirty newcomers never two inside', async (t) => {
  t.timeout(110_000);
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  const dead = startHandler(t, stateDir, journal, 'hold');
  await dead.says('mine');
  dead.kill('SIGKILL');
  await dead.ended();
  writeFileSync(journal, '');
  const handlers = Array.from({ length: 30 }, (_, at) =>
    startHandler(t, stateDir, journal, at % 3 === 0 ? 'try' : 'take'),
  );
  await Promise.all(handlers.map((one) => one.says('ready')));
  utimesSync(join(stateDir, 'execute.lock'), 1000, 1000);
  for (const one of handlers) one.tell('go');
  await Promise.all(handlers.map((one) => one.ended()));
  const lines = readJournal(journal);
  t.is(mostInside(lines), 1);
  t.is(lines.filter(([, what]) => what === 'enter over').length, 1, 'one of them knows of the death');
});

test('a holder that comes back and leaves at once does not bring down the one that waits', async (t) => {
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  const lock = join(stateDir, 'execute.lock');
  const first = startHandler(t, stateDir, journal, 'hold');
  await first.says('mine');
  first.kill('SIGSTOP');
  utimesSync(lock, 1000, 1000);
  const second = startHandler(t, stateDir, journal, 'hold');
  await until(() => existsSync(join(stateDir, 'execute.waiter.lock')), 'the second to wait', 60_000);
  // What the first does when it leaves while the second has the lockfile in its hands, again and again.
  for (let round = 0; round < 200; round += 1) {
    try {
      rmdirSync(lock);
    } catch {
      // Not there just now.
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await second.says('ready');
  t.deepEqual(second.said(), ['ready']);
  first.kill('SIGCONT');
  first.tell('release');
  t.is(await second.says('mine'), 'mine false');
});

test('another’s lockfile of the same pid but another start is a dead one’s', async (t) => {
  const [stateDir, journal] = [tempFolder(t), join(tempFolder(t), 'journal')];
  mkdirSync(join(stateDir, 'execute.lock'));
  utimesSync(join(stateDir, 'execute.lock'), 1000, 1000);
  const { ownIdentity } = await import('../../src/local/identity.js');
  writeFileSync(
    join(stateDir, 'execute.holder.json'),
    JSON.stringify({ identity: { ...ownIdentity(), startTime: '1' }, ino: '1', born: '1' }),
  );
  const one = startHandler(t, stateDir, journal, 'hold');
  t.is(await one.says('mine'), 'mine true');
});
