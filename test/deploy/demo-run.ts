import test from 'ava';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { processesWith } from '../support/guard.js';
import { root } from '../support/project.js';
import { freshName, until } from '../support/cluster.js';

function runDemo(mark: string) {
  const child = spawn(process.execPath, [join(root, 'build/deploy/demo/main.js')], {
    env: { ...process.env, DEMO_TEST_MARK: mark },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString('utf8')));
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, ended, printed: () => printed };
}

test('the demo holds its order', async (t) => {
  const { ended, printed } = runDemo(freshName());
  t.is(await ended, 0, printed());
  t.regex(printed(), /The order held: .*; each node ran its task once\./);
});

test('the demo leaves nothing behind when it is interrupted', async (t) => {
  const mark = freshName();
  const { child, ended, printed } = runDemo(mark);
  await until(() => printed().includes('configure_primary starts'), 'the demo to be under way', 30_000);
  t.true(processesWith(mark).length >= 5);
  child.kill('SIGINT');
  t.is(await ended, 130, printed());
  // The guard ends the last of them just after the demo itself.
  await until(() => processesWith(mark).length === 0, 'nothing of the demo to be left', 20_000);
  t.pass();
});
