/** The local lock within one process: who runs, who waits, who leaves. */
import test, { type ExecutionContext } from 'ava';
import { existsSync, mkdirSync, readdirSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Held, takeTurn, tryTurn, type Turn } from '../../src/local/lock.js';
import { holds, until } from '../support/until.js';
import { tempFolder } from '../support/metronome.js';

function mine(t: ExecutionContext, turn: Turn): Held {
  if (turn.kind === 'busy') throw new Error(`busy: ${turn.reason}`);
  t.teardown(() => turn.held.release());
  return turn.held;
}

test('one runs, one waits, a third leaves, and each gets its turn', async (t) => {
  const stateDir = tempFolder(t);
  const first = mine(t, await takeTurn(stateDir));
  t.false(first.takenOver);
  let woken = false;
  const second = takeTurn(stateDir).then((turn) => {
    woken = true;
    return turn;
  });
  await until(() => existsSync(join(stateDir, 'execute.waiter.lock')), 'the second to wait');
  for (let more = 0; more < 3; more += 1)
    t.deepEqual(await takeTurn(stateDir), { kind: 'busy', reason: 'one runs and one waits already' });
  await holds(() => !woken, 'the second waiting', 200);
  await first.release();
  const held = mine(t, await second);
  t.false(held.takenOver);
  // Its place is free before it works: another may wait already.
  t.false(existsSync(join(stateDir, 'execute.waiter.lock')));
  const third = takeTurn(stateDir);
  await until(() => existsSync(join(stateDir, 'execute.waiter.lock')), 'the third to wait');
  await held.release();
  await mine(t, await third).release();
  t.deepEqual(readdirSync(stateDir), []);
});

test('a released lock is free at once, a hundred times', async (t) => {
  const stateDir = tempFolder(t);
  for (let round = 0; round < 100; round += 1) {
    const held = mine(t, await takeTurn(stateDir));
    t.false(held.takenOver);
    await held.release();
  }
  t.deepEqual(readdirSync(stateDir), []);
});

test('releasing twice takes it from nobody', async (t) => {
  const stateDir = tempFolder(t);
  const first = mine(t, await takeTurn(stateDir));
  await first.release();
  const second = mine(t, await takeTurn(stateDir));
  await first.release();
  t.is((await tryTurn(stateDir, 'execute')).kind, 'busy');
  t.true(existsSync(join(stateDir, 'execute.lock')));
  await second.release();
});

test('tryTurn does not wait, and locks of other names are others', async (t) => {
  const stateDir = tempFolder(t);
  const tick = mine(t, await tryTurn(stateDir, 'tick'));
  t.deepEqual(await tryTurn(stateDir, 'tick'), { kind: 'busy', reason: 'another one runs' });
  const held = mine(t, await takeTurn(stateDir));
  t.is((await tryTurn(stateDir, 'execute')).kind, 'busy');
  await held.release();
  await tick.release();
  await mine(t, await tryTurn(stateDir, 'tick')).release();
});

test('two state folders have nothing to do with each other', async (t) => {
  const [one, two] = [tempFolder(t), tempFolder(t)];
  mine(t, await takeTurn(one));
  mine(t, await takeTurn(two));
  t.is((await tryTurn(one, 'execute')).kind, 'busy');
});

test('the state folder is made; where it cannot be, it says so', async (t) => {
  const stateDir = join(tempFolder(t), 'deep/er');
  await mine(t, await takeTurn(stateDir)).release();
  const file = join(tempFolder(t), 'file');
  writeFileSync(file, '');
  await t.throwsAsync(takeTurn(file), { message: /^the state folder .*file cannot be used .*--state-dir$/ });
});

test('a lock that was taken away under its holder is still the holder’s, also in one process', async (t) => {
  const stateDir = tempFolder(t);
  const held = mine(t, await takeTurn(stateDir));
  // As another process does that found the lockfile stale: it looks at the record, and leaves.
  rmdirSync(join(stateDir, 'execute.lock'));
  t.is((await tryTurn(stateDir, 'execute')).kind, 'busy');
  await held.release();
  await mine(t, await tryTurn(stateDir, 'execute')).release();
});

test('a lockfile that nobody speaks for is taken when it is old', async (t) => {
  const stateDir = tempFolder(t);
  const lock = join(stateDir, 'execute.lock');
  mkdirSync(lock);
  t.is((await tryTurn(stateDir, 'execute')).kind, 'busy', 'it may be on its way in');
  utimesSync(lock, 1000, 1000);
  const held = mine(t, await tryTurn(stateDir, 'execute'));
  t.false(held.takenOver);
  await held.release();
});

for (const record of ['', '{', 'null', '[]', '{}', '{"identity":null}', '{"identity":{"pid":"x"}}']) {
  test(`a record that is ${record || 'empty'} stops nobody`, async (t) => {
    const stateDir = tempFolder(t);
    writeFileSync(join(stateDir, 'execute.holder.json'), record);
    const held = mine(t, await takeTurn(stateDir));
    await held.release();
    // Beside a lockfile as well.
    writeFileSync(join(stateDir, 'execute.holder.json'), record);
    mkdirSync(join(stateDir, 'execute.lock'));
    t.is((await tryTurn(stateDir, 'execute')).kind, 'busy');
    utimesSync(join(stateDir, 'execute.lock'), 1000, 1000);
    await mine(t, await tryTurn(stateDir, 'execute')).release();
  });
}
