import test from 'ava';
import { type CronDecision, cronDecision, MISSED_AFTER, nextDue } from '../../src/run/cron.js';
import { cronFields } from '../../src/schedule/cron-fields.js';

const BERLIN = 'Europe/Berlin';
const at = (text: string) => Date.parse(`${text}Z`);
const shown = (ms: number | undefined) =>
  ms === undefined ? 'never' : new Date(ms).toISOString().replace('.000Z', '');

/** The next due times after an instant, as long as the expected list. */
function due(cron: string, zone: string, after: string, count: number): string {
  const times: string[] = [];
  let from = at(after);
  for (let n = 0; n < count; n += 1) {
    const next = nextDue(cronFields(cron), zone, from);
    times.push(shown(next));
    if (next === undefined) break;
    from = next;
  }
  return times.join(' ');
}

const TABLE: readonly [string, string, string, string, string][] = [
  ['every day', '30 2 * * *', 'UTC', '2026-11-23T02:29:59', '2026-11-23T02:30:00 2026-11-24T02:30:00'],
  ['not at the instant itself', '30 2 * * *', 'UTC', '2026-11-23T02:30:00', '2026-11-24T02:30:00'],
  ['six fields: seconds first', '15 30 2 * * *', 'UTC', '2026-11-23T02:30:14', '2026-11-23T02:30:15'],
  [
    'every ten seconds',
    '*/10 * * * * *',
    'UTC',
    '2026-11-23T23:59:45',
    '2026-11-23T23:59:50 2026-11-24T00:00:00',
  ],
  [
    'every quarter of an hour',
    '*/15 * * * *',
    'UTC',
    '2026-11-23T23:50:00',
    '2026-11-24T00:00:00 2026-11-24T00:15:00',
  ],
  ['working days', '0 9 * * mon-fri', 'UTC', '2026-11-27T10:00:00', '2026-11-30T09:00:00'],
  ['Sunday is 0 and 7', '0 9 * * 7', 'UTC', '2026-11-23T00:00:00', '2026-11-29T09:00:00'],
  // node-cron: a day must match both; other crons take either.
  [
    'day of month and weekday, both',
    '0 0 13 * 5',
    'UTC',
    '2026-11-01T00:00:00',
    '2026-11-13T00:00:00 2027-08-13T00:00:00',
  ],
  [
    'the 31st',
    '0 0 31 * *',
    'UTC',
    '2026-11-01T00:00:00',
    '2026-12-31T00:00:00 2027-01-31T00:00:00 2027-03-31T00:00:00',
  ],
  [
    'the 29th of February',
    '0 0 29 2 *',
    'UTC',
    '2026-11-23T00:00:00',
    '2028-02-29T00:00:00 2032-02-29T00:00:00',
  ],
  ['a month by its name', '0 0 1 jan *', 'UTC', '2026-11-23T00:00:00', '2027-01-01T00:00:00'],
  ['by the clock of its zone', '0 2 * * *', BERLIN, '2026-11-23T00:00:00', '2026-11-23T01:00:00'],
  // 2026-03-29 in Berlin: 02:00 becomes 03:00 at 01:00 UTC.
  [
    'jumped over: once, at the jump',
    '30 2 * * *',
    BERLIN,
    '2026-03-28T12:00:00',
    '2026-03-29T01:00:00 2026-03-30T00:30:00',
  ],
  [
    'at the jump itself: once',
    '0 3 * * *',
    BERLIN,
    '2026-03-28T12:00:00',
    '2026-03-29T01:00:00 2026-03-30T01:00:00',
  ],
  [
    'two that fall on the jump: once',
    '15,45 2 * * *',
    BERLIN,
    '2026-03-28T12:00:00',
    '2026-03-29T01:00:00 2026-03-30T00:15:00',
  ],
  // 2026-10-25 in Berlin: 03:00 becomes 02:00 at 01:00 UTC.
  [
    'a time that comes twice: once',
    '30 2 * * *',
    BERLIN,
    '2026-10-24T12:00:00',
    '2026-10-25T00:30:00 2026-10-26T01:30:00',
  ],
  ['after its first coming: not again', '30 2 * * *', BERLIN, '2026-10-25T00:45:00', '2026-10-26T01:30:00'],
  [
    'every hour goes on through the jump',
    '0 * * * *',
    BERLIN,
    '2026-03-28T23:30:00',
    '2026-03-29T00:00:00 2026-03-29T01:00:00 2026-03-29T02:00:00',
  ],
  [
    'every hour goes on through the hour that comes twice',
    '0 * * * *',
    BERLIN,
    '2026-10-24T23:30:00',
    '2026-10-25T00:00:00 2026-10-25T01:00:00 2026-10-25T02:00:00',
  ],
  [
    'summer time at midnight',
    '30 0 * * *',
    'America/Santiago',
    '2026-09-05T12:00:00',
    '2026-09-06T04:00:00 2026-09-07T03:30:00',
  ],
];
for (const [what, cron, zone, after, expected] of TABLE) {
  test(`due: ${what}`, (t) => {
    t.is(due(cron, zone, after, expected.split(' ').length), expected);
  });
}

test('however it is asked, the due times of a year are the same, each once, in order', (t) => {
  for (const [cron, zone, count] of [
    ['30 2 * * *', BERLIN, 365],
    ['30 1,2,3 * * *', 'America/New_York', 3 * 365],
    ['45 1 * * *', 'Australia/Lord_Howe', 365],
    ['0 */6 * * *', BERLIN, 4 * 365],
  ] as const) {
    const fields = cronFields(cron);
    const times = new Set<number>();
    for (let from = at('2025-12-31T23:59:59') - 12 * 3_600_000; ; ) {
      const next = nextDue(fields, zone, from);
      if (next === undefined || next >= at('2026-12-31T12:00:00')) break;
      t.true(next > from);
      times.add(next);
      from = next;
    }
    t.true(Math.abs(times.size - count) <= 3, `${cron} ${zone}: ${times.size}`);
    for (const one of [...times].slice(1, -1)) {
      t.is(nextDue(fields, zone, one - 1), one);
      t.is(
        nextDue(fields, zone, one - 1800_000) ?? 0,
        [...times].find((other) => other > one - 1800_000) ?? 0,
      );
    }
  }
});

function decide(
  cron: string,
  last: string | undefined,
  now: string,
  more: { catchUp?: 'once' | 'skip'; delay?: (due: number) => number } = {},
): string {
  const entry = {
    fields: cronFields(cron),
    timeZone: 'UTC',
    catchUp: 'once' as const,
    delay: () => 0,
    ...more,
  };
  const state = last === undefined ? undefined : { last: at(last) };
  const decision: CronDecision = cronDecision(entry, state, at(now));
  if (decision.kind === 'wait') return `wait ${shown(decision.due)}`;
  if (decision.kind === 'begin') return `begin ${shown(decision.state.last)}`;
  return `${decision.kind} ${shown(decision.due)}, last ${shown(decision.state.last)}`;
}

const minute = 60_000;
const DECISIONS: readonly [string, string, string][] = [
  [
    'seen for the first time it does not fire for the past',
    decide('0 2 * * *', undefined, '2026-11-23T12:00:00'),
    'begin 2026-11-23T12:00:00',
  ],
  ['not due', decide('0 2 * * *', '2026-11-23T02:00:00', '2026-11-23T12:00:00'), 'wait 2026-11-24T02:00:00'],
  [
    'due now',
    decide('0 2 * * *', '2026-11-23T02:00:00', '2026-11-24T02:00:00'),
    'fire 2026-11-24T02:00:00, last 2026-11-24T02:00:00',
  ],
  [
    'fired already',
    decide('0 2 * * *', '2026-11-24T02:00:00', '2026-11-24T02:00:00'),
    'wait 2026-11-25T02:00:00',
  ],
  [
    'fired by a node whose clock is ahead',
    decide('0 2 * * *', '2026-11-24T02:00:00', '2026-11-24T01:58:00'),
    'wait 2026-11-25T02:00:00',
  ],
  [
    'missed, catch_up: once',
    decide('0 2 * * *', '2026-11-20T02:00:00', '2026-11-23T12:00:00'),
    'fire 2026-11-23T02:00:00, last 2026-11-23T02:00:00',
  ],
  [
    'missed, catch_up: skip',
    decide('0 2 * * *', '2026-11-20T02:00:00', '2026-11-23T12:00:00', { catchUp: 'skip' }),
    'skip 2026-11-23T02:00:00, last 2026-11-23T02:00:00',
  ],
  [
    'a little late is not missed',
    decide('0 2 * * *', '2026-11-23T02:00:00', '2026-11-24T02:01:00', { catchUp: 'skip' }),
    'fire 2026-11-24T02:00:00, last 2026-11-24T02:00:00',
  ],
  [
    'one ms more is',
    decide('0 2 * * *', '2026-11-23T02:00:00', '2026-11-24T02:01:00.001', { catchUp: 'skip' }),
    'skip 2026-11-24T02:00:00, last 2026-11-24T02:00:00',
  ],
  [
    'some missed, the last in time',
    decide('* * * * *', '2026-11-23T02:00:00', '2026-11-23T12:00:10', { catchUp: 'skip' }),
    'fire 2026-11-23T12:00:00, last 2026-11-23T12:00:00',
  ],
  [
    'due every second, down for a month',
    decide('* * * * * *', '2026-10-20T02:00:00', '2026-11-23T12:00:00'),
    'fire 2026-11-23T12:00:00, last 2026-11-23T12:00:00',
  ],
  [
    'due every minute, down for a year',
    decide('* * * * *', '2025-11-20T02:00:00', '2026-11-23T12:00:30'),
    'fire 2026-11-23T12:00:00, last 2026-11-23T12:00:00',
  ],
  [
    'jitter',
    decide('0 2 * * *', '2026-11-23T02:00:00', '2026-11-24T02:04:59', { delay: () => 5 * minute }),
    'wait 2026-11-24T02:05:00',
  ],
  [
    'jitter is over',
    decide('0 2 * * *', '2026-11-23T02:00:00', '2026-11-24T02:05:00', { delay: () => 5 * minute }),
    'fire 2026-11-24T02:00:00, last 2026-11-24T02:00:00',
  ],
  [
    'late counts from the end of the jitter',
    decide('0 2 * * *', '2026-11-23T02:00:00', '2026-11-24T02:06:00', {
      catchUp: 'skip',
      delay: () => 5 * minute,
    }),
    'fire 2026-11-24T02:00:00, last 2026-11-24T02:00:00',
  ],
];
for (const [what, found, expected] of DECISIONS) {
  test(`decision: ${what}`, (t) => {
    t.is(found, expected);
  });
}

test('a tick may come every minute', (t) => {
  t.true(MISSED_AFTER >= minute);
});
