import test from 'ava';
import { parseEvents } from '../../src/run/events.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const good = { ID: 'e1', Name: 'deploy', Payload: base64('hällo'), LTime: 7 };
const WANTED = 'expected the array of events that a Consul event watch hands over';

for (const [what, text] of [
  ['nothing', ''],
  ['blanks', ' \n\t'],
  ['null', 'null'],
  ['an empty array', '[]'],
] as const) {
  test(`${what} is no event and no fault`, (t) => {
    t.deepEqual(parseEvents(text), { events: [], faults: [] });
  });
}

test('an event as Consul hands it over', (t) => {
  const consul = { ...good, NodeFilter: '', ServiceFilter: '', TagFilter: '', Version: 1 };
  t.deepEqual(parseEvents(JSON.stringify([consul])), {
    events: [{ id: 'e1', name: 'deploy', payload: 'hällo', ltime: 7 }],
    faults: [],
  });
});

for (const payload of [undefined, null, '']) {
  test(`a payload that is ${String(payload) || 'empty'} is empty`, (t) => {
    t.is(parseEvents(JSON.stringify([{ ...good, Payload: payload }])).events[0]?.payload, '');
  });
}

const WHOLE: readonly (readonly [what: string, text: string, fault: RegExp])[] = [
  ['not JSON', 'configure', /^standard input is not JSON \(.*\): expected the array/],
  ['truncated', JSON.stringify([good]).slice(0, -5), /^standard input is not JSON/],
  ['an object', '{}', /^standard input is an object: /],
  ['a string', '"x"', /^standard input is a string: /],
  ['a number', '7', /^standard input is a number: /],
  ['many lines of no JSON', '[\n\n{\n"a": \u0001\n}', /^standard input is not JSON [^\n]*$/],
  ['ten megabytes of no JSON', 'x'.repeat(10_000_000), /^standard input is not JSON .{0,300}$/],
];
for (const [what, text, fault] of WHOLE) {
  test(`standard input that is ${what}`, (t) => {
    const { events, faults } = parseEvents(text);
    t.deepEqual(events, []);
    t.is(faults.length, 1);
    t.regex(faults[0] ?? '', fault);
    t.true(faults[0]?.endsWith(WANTED));
  });
}

const BAD: readonly (readonly [what: string, event: unknown, fault: string])[] = [
  ['null', null, 'is null: expected an object with ID and Name'],
  ['an array', [], 'is an array: expected an object with ID and Name'],
  ['a string', 'x', 'is a string: expected an object with ID and Name'],
  ['no ID', { Name: 'a' }, 'has no ID'],
  ['no Name', { ID: 'a' }, '("a") has no Name'],
  ['an ID that is a number', { ...good, ID: 7 }, 'is refused: its ID 7 expected a string, found number'],
  ['an ID with a slash', { ...good, ID: '../x' }, 'is refused: its ID "../x" has a slash'],
  ['an ID that is ..', { ...good, ID: '..' }, 'is refused: its ID ".." is ".."'],
  [
    'a Name with a newline',
    { ...good, Name: 'a\nb' },
    String.raw`("e1") is refused: its Name "a\nb" has a control character`,
  ],
  [
    'a Name with NUL',
    { ...good, Name: 'a\0' },
    String.raw`("e1") is refused: its Name "a\u0000" has a control character`,
  ],
  ['an empty Name', { ...good, Name: '' }, '("e1") is refused: its Name "" is empty'],
  [
    'an LTime that is a string',
    { ...good, LTime: '7' },
    '("e1") has an LTime that is a string: expected a number',
  ],
  [
    'a Payload that is an object',
    { ...good, Payload: {} },
    '("e1") has a Payload that is an object: expected a base64 string',
  ],
  [
    'a Payload that is not base64',
    { ...good, Payload: '$(reboot)' },
    '("e1") has a Payload that is not base64',
  ],
  ['a Payload of odd length', { ...good, Payload: 'abcde' }, '("e1") has a Payload that is not base64'],
  [
    'a Payload with NUL',
    { ...good, Payload: base64('a\0b') },
    '("e1") has a Payload with a NUL byte, which no environment variable can hold',
  ],
];
for (const [what, event, fault] of BAD) {
  test(`an event with ${what} is a fault, and those beside it are taken`, (t) => {
    const { events, faults } = parseEvents(JSON.stringify([good, event, { ...good, ID: 'e2' }]));
    t.deepEqual(faults, [`event 1 on standard input ${fault}`]);
    t.deepEqual(
      events.map(({ id }) => id),
      ['e1', 'e2'],
    );
  });
}

test('every fault is one line, however hostile the names are', (t) => {
  const hostile = ['a\r\nb', '\u001b[2Jx', 'x'.repeat(100_000), '\u2028', "'; DROP TABLE", '\ud800'];
  const text = JSON.stringify(
    hostile.flatMap((name) => [
      { ID: name, Name: 'a' },
      { ID: 'a', Name: name },
    ]),
  );
  for (const fault of parseEvents(text).faults) {
    t.true(fault.length < 250);
    // oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
    t.notRegex(fault, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
  }
});

test('a name like a property of every object is a name', (t) => {
  const text = '[{"ID":"e1","Name":"__proto__","__proto__":{"Payload":7}}]';
  t.deepEqual(parseEvents(text).events, [{ id: 'e1', name: '__proto__', payload: '', ltime: 0 }]);
});
