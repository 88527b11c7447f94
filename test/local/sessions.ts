import test from 'ava';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { abandonedSessions, forgetSessions, recordSession } from '../../src/local/sessions.js';
import { tempFolder } from '../support/metronome.js';

const fileOf = (stateDir: string) => join(stateDir, 'sessions.json');

/** As if the handler that wrote it had died. */
function bury(stateDir: string): void {
  const record = JSON.parse(readFileSync(fileOf(stateDir), 'utf8')) as { handler: object };
  writeFileSync(
    fileOf(stateDir),
    JSON.stringify({ ...record, handler: { ...record.handler, pid: 4_194_305 } }),
  );
}

test('a living handler’s sessions are nobody else’s; a dead one’s are left to be ended', (t) => {
  const stateDir = tempFolder(t);
  t.deepEqual(abandonedSessions(stateDir), []);
  recordSession(stateDir, 's1');
  recordSession(stateDir, 's2');
  t.is(statSync(fileOf(stateDir)).mode & 0o777, 0o600);
  t.deepEqual(abandonedSessions(stateDir), []);
  bury(stateDir);
  t.deepEqual(abandonedSessions(stateDir), ['s1', 's2']);
  forgetSessions(stateDir);
  t.deepEqual(abandonedSessions(stateDir), []);
  t.notThrows(() => forgetSessions(stateDir));
});

test('what cannot be read is no session', (t) => {
  const stateDir = tempFolder(t);
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"sessions":["s"]}',
    '{"handler":{},"sessions":["s"]}',
    '{"handler":{"pid":4194305},"sessions":"s"}',
  ]) {
    writeFileSync(fileOf(stateDir), text);
    t.deepEqual(abandonedSessions(stateDir), [], text);
    t.notThrows(() => recordSession(stateDir, 's1'));
  }
});
