import test from 'ava';
import { instantOf, instantsOf, wallTime } from '../../src/run/zone.js';

const utc = (text: string) => Date.parse(`${text}Z`);
const shown = (instants: readonly number[]) =>
  instants.map((at) => new Date(at).toISOString().replace('.000Z', '')).join(' ');

const TABLE: readonly [string, string, string, string][] = [
  ['UTC', 'UTC', '2026-11-23T12:00:00', '2026-11-23T12:00:00'],
  ['winter', 'Europe/Berlin', '2026-11-23T12:00:00', '2026-11-23T11:00:00'],
  ['summer', 'Europe/Berlin', '2026-07-01T12:00:00', '2026-07-01T10:00:00'],
  ['west', 'America/New_York', '2026-11-23T20:00:00', '2026-11-24T01:00:00'],
  ['a zone of quarters of an hour', 'Asia/Kathmandu', '2026-11-23T12:00:00', '2026-11-23T06:15:00'],
  ['jumped over: the instant of the jump', 'Europe/Berlin', '2026-03-29T02:30:00', '2026-03-29T01:00:00'],
  ['the last time before the jump', 'Europe/Berlin', '2026-03-29T01:59:59', '2026-03-29T00:59:59'],
  ['the first time after the jump', 'Europe/Berlin', '2026-03-29T03:00:00', '2026-03-29T01:00:00'],
  ['twice', 'Europe/Berlin', '2026-10-25T02:30:00', '2026-10-25T00:30:00 2026-10-25T01:30:00'],
  ['before it comes twice', 'Europe/Berlin', '2026-10-25T01:59:59', '2026-10-24T23:59:59'],
  ['after it came twice', 'Europe/Berlin', '2026-10-25T03:00:00', '2026-10-25T02:00:00'],
  [
    'half an hour of summer time, jumped over',
    'Australia/Lord_Howe',
    '2026-10-04T02:15:00',
    '2026-10-03T15:30:00',
  ],
  [
    'half an hour of summer time, twice',
    'Australia/Lord_Howe',
    '2026-04-05T01:45:00',
    '2026-04-04T14:45:00 2026-04-04T15:15:00',
  ],
  ['midnight is jumped over', 'America/Santiago', '2026-09-06T00:30:00', '2026-09-06T04:00:00'],
  ['a whole day was left out', 'Pacific/Apia', '2011-12-30T12:00:00', '2011-12-30T10:00:00'],
];
for (const [what, zone, wall, expected] of TABLE) {
  test(`instants of a wall time: ${what}`, (t) => {
    t.is(shown(instantsOf(utc(wall), zone)), expected);
    t.true(expected.startsWith(shown([instantOf(utc(wall), zone)])));
  });
}

test('the wall clock of a zone at an instant', (t) => {
  t.deepEqual(wallTime(utc('2026-12-31T23:30:15'), 'Europe/Berlin'), {
    year: 2027,
    month: 1,
    day: 1,
    hour: 0,
    minute: 30,
    second: 15,
    weekday: 5,
  });
  t.throws(() => wallTime(0, 'Europe/Nowhere'), { instanceOf: RangeError });
});

test('every wall time that a clock shows is found again', (t) => {
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC']) {
    for (
      let at = utc('2026-01-01T00:00:00');
      at < utc('2027-01-01T00:00:00');
      at += 17 * 3_600_000 + 61_000
    ) {
      const wall = wallTime(at, zone);
      const asUtc = Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
      if (!instantsOf(asUtc, zone).some((one) => one === at)) t.fail(`${zone} ${new Date(at).toISOString()}`);
    }
  }
  t.pass();
});
