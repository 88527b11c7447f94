/** A network cut between a node and the servers, in namespaces that the test makes itself. */
import test from 'ava';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../support/project.js';
import { LONG } from './_chance.js';

test('a node that is cut off while it works stops its task before the others call it lost', async (t) => {
  t.timeout(300_000);
  if (!LONG) {
    t.log('in the long form only: it waits for a session to expire, twice');
    return t.pass();
  }
  const tail = randomBytes(3).toString('hex');
  const [here, there] = [`mt-a-${tail}`, `mt-b-${tail}`];
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  try {
    ip('netns', 'add', here);
    t.teardown(() => void ip('netns', 'del', here));
    ip('netns', 'add', there);
    t.teardown(() => void ip('netns', 'del', there));
    ip('-n', here, 'link', 'add', 'cut0', 'type', 'veth', 'peer', 'name', 'cut1', 'netns', there);
  } catch (error) {
    t.log(`skipped: this test may not make network namespaces (${String(error).split('\n')[0]})`);
    return t.pass();
  }
  for (const [space, device, address] of [
    [here, 'cut0', '10.231.77.1/24'],
    [there, 'cut1', '10.231.77.2/24'],
  ] as const) {
    ip('-n', space, 'addr', 'add', address, 'dev', device);
    ip('-n', space, 'link', 'set', device, 'up');
    ip('-n', space, 'link', 'set', 'lo', 'up');
  }
  const { stdout } = await promisify(execFile)(
    'ip',
    ['netns', 'exec', here, process.execPath, join(root, 'build/test/faults/_cut.js'), there],
    { timeout: 280_000 },
  );
  t.deepEqual(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''), {
    runningWhenLost: 0,
    reason: 'lost',
    statuses: ['error', 'success'],
    faults: [],
    stopped: true,
  });
});
