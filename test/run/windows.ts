import test from 'ava';
import { opensAt } from '../../src/run/windows.js';
import type { WindowDefinition } from '../../src/schedule/types.js';

const ALL = [0, 1, 2, 3, 4, 5, 6];
const clock = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

function window(times: string, days: readonly number[] = ALL, timeZone = 'UTC'): WindowDefinition {
  const [start = '', end = ''] = times.split('-');
  return { days, start: clock(start), end: clock(end), timeZone };
}

/** `open`, or when it opens (UTC). */
function look(one: WindowDefinition, at: string): string {
  const opens = opensAt(one, Date.parse(at));
  if (opens === undefined) return 'open';
  return Number.isFinite(opens) ? new Date(opens).toISOString().replace('.000Z', 'Z') : 'never';
}

const BERLIN = 'Europe/Berlin';
// 2026-11-23 is a Monday.
const TABLE: readonly [string, WindowDefinition, string, string][] = [
  ['before it', window('09:00-17:00'), '2026-11-23T08:59:59Z', '2026-11-23T09:00:00Z'],
  ['its first instant', window('09:00-17:00'), '2026-11-23T09:00:00Z', 'open'],
  ['its last second', window('09:00-17:00'), '2026-11-23T16:59:59Z', 'open'],
  ['its end is outside', window('09:00-17:00'), '2026-11-23T17:00:00Z', '2026-11-24T09:00:00Z'],
  ['the whole day', window('00:00-24:00'), '2026-11-23T23:59:59Z', 'open'],
  ['to midnight', window('22:00-24:00'), '2026-11-24T00:00:00Z', '2026-11-24T22:00:00Z'],
  ['over midnight, the evening', window('22:00-02:00'), '2026-11-23T23:00:00Z', 'open'],
  ['over midnight, the night', window('22:00-02:00'), '2026-11-24T01:59:59Z', 'open'],
  ['over midnight, the end', window('22:00-02:00'), '2026-11-24T02:00:00Z', '2026-11-24T22:00:00Z'],
  ['another day', window('09:00-17:00', [1, 2, 3, 4, 5]), '2026-11-28T10:00:00Z', '2026-11-30T09:00:00Z'],
  [
    'over midnight it belongs to the day it starts on',
    window('22:00-02:00', [5]),
    '2026-11-28T01:00:00Z',
    'open',
  ],
  ['and not to the day before', window('22:00-02:00', [6]), '2026-11-28T01:00:00Z', '2026-11-28T22:00:00Z'],
  ['the day is that of its zone', window('00:00-06:00', [2], BERLIN), '2026-11-23T23:30:00Z', 'open'],
  ['in winter', window('22:00-23:00', ALL, BERLIN), '2026-11-23T21:00:00Z', 'open'],
  ['in summer', window('22:00-23:00', ALL, BERLIN), '2026-07-01T20:00:00Z', 'open'],
  // 2026-03-29: 02:00 becomes 03:00 in Berlin, at 01:00 UTC.
  [
    'its start is jumped over: it opens at the jump',
    window('02:30-04:00', ALL, BERLIN),
    '2026-03-29T00:59:59Z',
    '2026-03-29T01:00:00Z',
  ],
  [
    'its start is jumped over, after the jump',
    window('02:30-04:00', ALL, BERLIN),
    '2026-03-29T01:00:00Z',
    'open',
  ],
  [
    'its end is jumped over: it ends at the jump',
    window('01:00-02:30', ALL, BERLIN),
    '2026-03-29T00:59:59Z',
    'open',
  ],
  [
    'its end is jumped over, after the jump',
    window('01:00-02:30', ALL, BERLIN),
    '2026-03-29T01:00:00Z',
    '2026-03-29T23:00:00Z',
  ],
  [
    'all of it is jumped over: the next day',
    window('02:10-02:50', ALL, BERLIN),
    '2026-03-29T00:30:00Z',
    '2026-03-30T00:10:00Z',
  ],
  ['over midnight and the jump', window('22:00-04:00', ALL, BERLIN), '2026-03-29T01:30:00Z', 'open'],
  // 2026-10-25: 03:00 becomes 02:00 in Berlin, at 01:00 UTC.
  [
    'a start that comes twice counts from its first coming',
    window('02:30-04:00', ALL, BERLIN),
    '2026-10-25T00:30:00Z',
    'open',
  ],
  ['and stays open over the second', window('02:30-04:00', ALL, BERLIN), '2026-10-25T01:15:00Z', 'open'],
  [
    'an end that comes twice ends it at its first coming',
    window('01:00-02:30', ALL, BERLIN),
    '2026-10-25T00:30:00Z',
    '2026-10-26T00:00:00Z',
  ],
  [
    'both come twice: once open',
    window('02:10-02:50', ALL, BERLIN),
    '2026-10-25T01:30:00Z',
    '2026-10-26T01:10:00Z',
  ],
  ['no day at all', window('09:00-17:00', []), '2026-11-23T10:00:00Z', 'never'],
];
for (const [what, one, at, expected] of TABLE) {
  test(what, (t) => {
    t.is(look(one, at), expected);
  });
}
