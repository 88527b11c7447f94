/**
 * A handler of its own process, for the tests of the local lock: takes a turn, tells on its output, and does what it
 * is told by its input. Ends when its input ends.
 *   _handler.js STATE_DIR JOURNAL hold    takes a turn and keeps it until told `release`
 *   _handler.js STATE_DIR JOURNAL take    waits for `go`, then asks for four turns, waiting for them
 *   _handler.js STATE_DIR JOURNAL try     waits for `go`, then asks for twenty turns, without waiting
 */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeTurn, tryTurn, type Turn } from '../../src/local/lock.js';

const [stateDir = '', journal = '', mode = ''] = process.argv.slice(2);

const say = (what: string) => process.stdout.write(`${what}\n`);
// One write with O_APPEND: lines of several processes stand in the order of their writes.
const note = (what: string) => appendFileSync(journal, `${process.pid} ${what}\n`);
const words = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function told(word: string): Promise<void> {
  const { value, done } = await words.next();
  if (done === true || value !== word) process.exit(0);
}

async function work(turn: Turn, pause: number): Promise<void> {
  if (turn.kind === 'busy') {
    note('busy');
    say(`busy ${turn.reason}`);
    return;
  }
  note(`enter ${turn.held.takenOver ? 'over' : 'free'}`);
  say(`mine ${turn.held.takenOver}`);
  if (mode === 'hold') await told('release');
  else await sleep(pause);
  note('leave');
  await turn.held.release();
  say('released');
}

say('ready');
if (mode === 'take' || mode === 'try') await told('go');
if (mode === 'try') {
  for (let round = 0; round < 20; round += 1) {
    await work(await tryTurn(stateDir, 'execute'), 1);
    await sleep(Math.random() * 10);
  }
} else if (mode === 'take') {
  for (let round = 0; round < 4; round += 1) {
    await work(await takeTurn(stateDir), 2);
    await sleep(Math.random() * 50);
  }
} else {
  await work(await takeTurn(stateDir), 0);
}
process.exit(0);
