import test from 'ava';
import { createTaskLog, type TaskLogOptions } from '../../src/operations/task-log.js';

const now = () => new Date('2026-11-23T11:32:39.248Z');
const PREFIX = '2026-11-23T11:32:39.248Z [INFO ] ';

/** What becomes of output that comes in these pieces. */
function seen(chunks: readonly (string | Buffer)[], options: Partial<TaskLogOptions> = {}): string[] {
  const log = createTaskLog({ now, ...options });
  for (const chunk of chunks) log.output(Buffer.from(chunk as string));
  log.endOutput();
  return log
    .text()
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(PREFIX.length));
}

test('own lines and output have the time and the level before them', (t) => {
  const log = createTaskLog({ now });
  log.line('INFO', '-- Task t_db has started');
  log.output(Buffer.from('hello\n'));
  log.line('ERROR', 'no');
  t.is(
    log.text(),
    '2026-11-23T11:32:39.248Z [INFO ] -- Task t_db has started\n' +
      '2026-11-23T11:32:39.248Z [INFO ] hello\n' +
      '2026-11-23T11:32:39.248Z [ERROR] no\n',
  );
  t.is(log.size, log.text().length);
});

const tables: [string, (string | Buffer)[], string[]][] = [
  ['a line in pieces', ['he', 'llo\nwor', 'ld\n'], ['hello', 'world']],
  ['a last line without newline', ['one\ntwo'], ['one', 'two']],
  ['empty lines', ['\n\na\n'], ['', '', 'a']],
  ['a character in two pieces', [Buffer.from([0xc3]), Buffer.from([0xbc, 0x0a])], ['ü']],
  ['invalid UTF-8', [Buffer.from([0x61, 0xff, 0x62, 0x0a])], ['a\ufffdb']],
  ['control characters', ['a\0b\u0007\tc\n'], ['a\ufffdb\ufffd\tc']],
  ['colours', ['\u001b[31mred\u001b[0m\n'], ['red']],
  ['DOS line ends', ['a\r\nb\r', '\nc\r\n'], ['a', 'b', 'c']],
  ['a progress bar', ['10 %\r', '20 %\r100', ' %\ndone\n'], ['100 %', 'done']],
];
for (const [name, chunks, lines] of tables) {
  test(`output: ${name}`, (t) => t.deepEqual(seen(chunks), lines));
}

test('a secret is hidden, also when it comes in two pieces, coloured, or beside another', (t) => {
  const secrets = ['s3cr3t-token', 's3cr3t', 'abc'];
  t.deepEqual(seen(['x s3cr', '3t-token y\n'], { secrets }), ['x [hidden] y']);
  t.deepEqual(seen(['s3c\u001b[1mr3t\u001b[0m and abc\n'], { secrets }), ['[hidden] and abc']);
  const log = createTaskLog({ now, secrets });
  log.output(Buffer.from('s3cr'));
  log.line('WARN', 'between s3cr3t');
  log.output(Buffer.from('3t\n'));
  t.false(log.text().includes('s3c'));
  t.true(log.text().includes('between [hidden]'));
});

test('a secret of several lines is hidden line by line', (t) => {
  const secrets = ['-----BEGIN\nMIIEvQ\n-----END'];
  t.deepEqual(seen(['a\n-----BEGIN\nMIIEvQ\n-----END\n'], { secrets }), [
    'a',
    '[hidden]',
    '[hidden]',
    '[hidden]',
  ]);
});

test('where a long line is cut no part of a secret shows', (t) => {
  const secret = 'correct-horse-battery';
  const line = Array.from({ length: 2000 }, () => secret).join(' ');
  for (let shift = 0; shift < 30; shift += 1) {
    const [text = ''] = seen([`${'x'.repeat(shift)}${line}\n`], { secrets: [secret] });
    t.regex(text, /characters more\)$/);
    t.notRegex(text.replaceAll('[hidden]', ''), /cor|horse|battery/);
  }
});

test('a line of 50 MB is cut and does not push the others out', (t) => {
  const log = createTaskLog({ now });
  log.output(Buffer.from('before\n'));
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  for (let i = 0; i < 50; i += 1) log.output(chunk);
  log.output(Buffer.from('\nafter\n'));
  const [before, long, after] = log.text().split('\n');
  t.true(before?.endsWith('before'));
  t.regex(long ?? '', /x … \(\d+ characters more\)$/);
  t.true((long ?? '').length < 20_000);
  t.true(after?.endsWith('after'));
});

test('50 MB of lines keep head and tail, at most 400 KiB, cut between lines', (t) => {
  const log = createTaskLog({ now });
  const total = 500_000;
  for (let from = 0; from < total; from += 1000) {
    const lines = Array.from({ length: 1000 }, (_, i) => `line ${from + i} ${'ü'.repeat(40)}\n`);
    log.output(Buffer.from(lines.join('')));
  }
  log.endOutput();
  const text = log.text();
  t.true(Buffer.byteLength(text) <= 400 * 1024);
  t.true(Buffer.byteLength(text) > 390 * 1024);
  const lines = text.split('\n').slice(0, -1);
  t.true(lines.every((line) => line.startsWith('2026-11-23T11:32:39.248Z [')));
  t.regex(lines[0] ?? '', /line 0 ü+$/);
  t.regex(lines.at(-1) ?? '', new RegExp(`line ${total - 1} ü+$`));
  const notice = lines.filter((line) => line.includes('left out here'));
  t.is(notice.length, 1);
  const [, left, bytes] = /-- (\d+) lines \((\d+) bytes\) left out here/.exec(notice[0] ?? '') ?? [];
  t.is(Number(left), total - (lines.length - 1));
  t.is(Number(bytes), log.size - (Buffer.byteLength(text) - Buffer.byteLength(`${notice[0]}\n`)));
  t.true(log.size > 50e6);
});

test('each line is handed on as it is seen, once it is whole', (t) => {
  const lines: string[] = [];
  const log = createTaskLog({ now, onLine: (line) => lines.push(line), secrets: ['token'] });
  log.output(Buffer.from('to'));
  t.deepEqual(lines, []);
  log.output(Buffer.from('ken\n'));
  t.deepEqual(lines, [`${PREFIX}[hidden]`]);
});
