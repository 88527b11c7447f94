import test from 'ava';
import { validate } from 'node-cron';
import { cronFault } from '../../src/schedule/cron.js';
import { isTimeZone, parseDays, parseTimeOfDay } from '../../src/schedule/days.js';
import { parseBufferPeriod, parseDuration } from '../../src/schedule/durations.js';
import { nameFault } from '../../src/schedule/names.js';
import { didYouMean, distance, suggestion } from '../../src/schedule/nearest.js';

for (const [value, expected] of [
  [90, 90_000],
  [0, 0],
  [0.5, 500],
  ['90', 90_000],
  ['90s', 90_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['500ms', 500],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['1d', 86_400_000],
  ['24d', 2_073_600_000],
  ['25d', undefined],
  [-1, undefined],
  ['-1s', undefined],
  ['', undefined],
  ['5 m', undefined],
  ['m', undefined],
  ['5M', undefined],
  [Number.NaN, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [true, undefined],
  [null, undefined],
  [['1s'], undefined],
] as const) {
  test(`duration ${typeof value} ${String(value)}`, (t) => t.is(parseDuration(value), expected));
}

for (const [value, expected] of [
  ['5s/20s', { min: 5000, max: 20_000 }],
  ['5 / 20', { min: 5000, max: 20_000 }],
  ['0/1', { min: 0, max: 1000 }],
  ['20s/5s', undefined],
  ['5s', undefined],
  ['5s/6s/7s', undefined],
  ['/', undefined],
  ['0/0', undefined],
  [5, undefined],
] as const) {
  test(`buffer period ${value}`, (t) => t.deepEqual(parseBufferPeriod(value), expected));
}

for (const [value, expected] of [
  ['mon', [1]],
  ['Monday', [1]],
  ['7', [0]],
  ['mon-wed', [1, 2, 3]],
  ['fri-mon', [5, 6, 0, 1]],
  ['sun-sun', [0]],
  ['mo', undefined],
  ['8', undefined],
  ['mon-', undefined],
  ['-mon', undefined],
  ['mon-tue-wed', undefined],
  ['', undefined],
] as const) {
  test(`days ${value}`, (t) => t.deepEqual(parseDays(value), expected as number[] | undefined));
}

for (const [value, expected] of [
  ['00:00', 0],
  ['4:30', 270],
  ['24:00', 1440],
  ['24:01', undefined],
  ['12:60', undefined],
  ['12', undefined],
] as const) {
  test(`time of day ${value}`, (t) => t.is(parseTimeOfDay(value), expected));
}

test('time zones', (t) => {
  t.true(isTimeZone('UTC'));
  t.true(isTimeZone('Europe/Berlin'));
  for (const name of ['Europe/Berlim', '', '+02:00', 'Mars']) t.false(isTimeZone(name));
});

const CRON: readonly (readonly [string, string | undefined])[] = [
  ['* * * * *', undefined],
  ['*/5 0-23/2 1,15 JAN-mar mon-fri', undefined],
  ['30 0 0 1 1 7', undefined],
  ['0 0 29 2 *', undefined],
  ['61 * * * *', 'Too large value "61" for minutes; expected 0-59'],
  ['60 * * * * *', 'Too large value "60" for seconds; expected 0-59'],
  ['0 24 * * *', 'Too large value "24" for hours; expected 0-23'],
  ['0 0 0 * *', 'Too small value "0" for days of the month; expected 1-31'],
  ['0 0 * 13 *', 'Too large value "13" for months; expected 1-12 or jan-dec'],
  ['0 0 * * 8', 'Too large value "8" for days of the week; expected 0-7 or sun-sat'],
  ['0 0 * * mom', 'Malformed value "mom" for days of the week; expected 0-7 or sun-sat'],
  ['0 0 * jan,feb,marr *', 'Malformed value "marr" for months; expected 1-12 or jan-dec'],
  ['5-1 * * * *', 'Backward range "5-1" for minutes; expected the lower end first'],
  ['1-2-3 * * * *', 'Malformed range "1-2-3" for minutes; expected one such as 0-59'],
  ['*/0 * * * *', 'Malformed step "0" for minutes; expected 1-59'],
  ['*/x * * * *', 'Malformed step "x" for minutes; expected 1-59'],
  ['5/10 * * * *', 'Malformed "5/10" for minutes; a step follows "*" or a range such as 5-59'],
  ['1, * * * *', 'Malformed "1," for minutes; expected a list such as 0,59'],
  ['-1 * * * *', 'Malformed value "" for minutes; expected 0-59'],
  ['0 0 31 2 *', '"31 2" (day, month) is a date that never comes'],
  ['0 0 31 apr,jun *', '"31 apr,jun" (day, month) is a date that never comes'],
  ['* * *', 'expected 5 fields (minute hour day month weekday) or 6 (seconds first), found 3'],
  ['', 'expected 5 fields (minute hour day month weekday) or 6 (seconds first), found 0'],
  ['@daily', 'expected 5 or 6 fields, found the nickname "@daily"'],
];

for (const [expression, expected] of CRON) {
  test(`cron "${expression}"`, (t) => {
    t.is(cronFault(expression), expected);
    // What is accepted here must run there.
    if (expected === undefined) t.true(validate(expression));
  });
}

for (const [a, b, expected] of [
  ['', '', 0],
  ['abc', '', 3],
  ['skipable', 'skippable', 1],
  ['retyr', 'retry', 1],
  ['kitten', 'sitting', 3],
] as const) {
  test(`distance of "${a}" and "${b}"`, (t) => t.is(distance(a, b), expected));
}

test('the nearest name, or none', (t) => {
  const names = ['execute', 'service', 'ordered_tasks', 'task', 'tag'];
  t.is(suggestion('exceute', names), 'execute');
  t.is(suggestion('ordered-task', names), 'ordered_tasks');
  t.is(suggestion('Service', names), 'service');
  t.is(suggestion('tsk', names), 'task');
  t.is(suggestion('x', names), undefined);
  t.is(suggestion('', names), undefined);
  t.is(suggestion('colour', names), undefined);
  t.is(suggestion('t'.repeat(100_000), names), undefined);
  t.is(didYouMean('servise', names), 'did you mean "service"?');
});

test('names', (t) => {
  for (const name of ['a', 'pgpool-II', 'a..b', 'é', 'a b']) t.is(nameFault(name), undefined);
  for (const name of ['', 'a/b', '.', '..', 'a\nb', '\u007f', 'a'.repeat(129)])
    t.is(typeof nameFault(name), 'string', name);
});
