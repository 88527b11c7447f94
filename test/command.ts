import test from 'ava';
import { freshPrefix, sharedCluster } from './support/cluster.js';
import { metronome, startMetronome, tempFolder, writeSchedule } from './support/metronome.js';

test('the built command runs as a process of its own, with and without Consul', async (t) => {
  const version = await metronome(null, ['version']);
  t.is(version.code, 0, version.stderr);
  t.regex(version.stdout, /^metronome \d+\.\d+\.\d+\n$/);

  const file = writeSchedule(
    t,
    'events:\n  e:\n    task: t\ntasks:\n  t:\n    operations:\n      - echo: hello\n',
  );
  const pushed = await metronome(sharedCluster().node('n1'), ['push'], {
    prefix: freshPrefix(t),
    stateDir: tempFolder(t),
    files: [file],
    stdin: '[]',
  });
  t.is(pushed.code, 0, pushed.stderr);
  t.is(pushed.stderr, '');
});

test('wrong usage is one line and exit code 2', async (t) => {
  const { code, stderr } = await metronome(null, ['psuh']);
  t.is(code, 2);
  t.is(stderr.trimEnd().split('\n').length, 1, stderr);
});

test('a started command can be killed', async (t) => {
  const running = startMetronome(sharedCluster().node('n1'), ['push'], {
    prefix: freshPrefix(t),
    stdin: '[]',
  });
  running.kill();
  t.is((await running.finished).signal, 'SIGKILL');
});
