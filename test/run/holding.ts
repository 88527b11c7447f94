/** What waits for an operator, what a rerun repeats, and machines that are away. */
import test from 'ava';
import { after, at, decide, next, node, runOf, say, START } from './_look.js';

const HOUR = 3_600_000;
const rerun = { Of: 'e0', From: 0, Done: { 0: ['a'] } };

test('an approval lets the targets run again that are held then, and none that is lost later', (t) => {
  const claims = {};
  const lostA = { nodes: ['a', 'b'], outcomes: { a: 'lost' }, claims } as const;
  const held = next(runOf([{ onLost: 'hold', serial: [{ count: 1 }] }], { step: at('a') }), lostA);
  t.is(held.step.gate, 'a lost: waiting for an operator (approve runs it again, cancel ends the run)');
  for (const first of [1, 2]) {
    const approve = { approve: { '0/hold': first } };
    const freed = next(held, { ...lostA, control: approve, after: HOUR - 1 });
    t.is(freed.step.gate, undefined);
    t.is(say(freed, { ...lostA, control: approve, after: HOUR - 1 }), 'assign a#2');
    // The night before the approval does not count against the further attempt.
    const again = { nodes: ['a', 'b'], outcomes: { a: { status: 'inprogress', attempt: 2 } } } as const;
    t.is(say(freed, { ...again, control: approve, after: 2 * HOUR - 2 }), 'wait: targets are at work');
    t.regex(say(freed, { ...again, control: approve, after: 2 * HOUR - 1 }), /^stop timeout/);
    // Lost once more, and one of the next batch: both wait for another approval.
    const twice = { nodes: ['a', 'b'], outcomes: { a: { status: 'lost', attempt: 2 } }, claims } as const;
    t.regex(say(freed, { ...twice, control: approve }), /^gate: a lost/);
    const later = after(freed, { nodes: ['a', 'b'], outcomes: { a: { status: 'success', attempt: 2 } } });
    const lostB = {
      nodes: ['a', 'b'],
      outcomes: { a: { status: 'success', attempt: 2 }, b: 'lost' },
      claims,
    } as const;
    t.regex(say(later, { ...lostB, control: approve }), /^gate: b lost/);
    const more = { approve: { '0/hold': first + 1 } };
    t.is(say(next(later, { ...lostB, control: more }), { ...lostB, control: more }), 'assign b#2');
  }
});

test('the step keeps the time at which it began, whatever an operator held up', (t) => {
  const look = { nodes: ['a', 'b'], outcomes: { a: 'success' } } as const;
  const paused = next(runOf([{ serial: [{ count: 1 }] }], { step: at('a') }), {
    ...look,
    control: { pause: true },
  });
  const freed = next(paused, { ...look, after: 50 * HOUR });
  t.is(freed.step.since.at, START);
  t.deepEqual(freed.step.resumed, { at: START + 50 * HOUR, by: 'here' });
});

test('run_once takes a node that is up', (t) => {
  t.is(say(runOf([{ runOnce: true }]), { nodes: ['a down', 'b', 'c'] }), 'release b (1)');
  t.is(
    say(runOf([{ runOnce: true, order: 'reverse_sorted' }]), { nodes: ['a', 'b', 'c down'] }),
    'release b (1)',
  );
  t.is(say(runOf([{ runOnce: true }]), { nodes: ['a down', 'b down'] }), 'release a (1)');
});

test('a rerun does not repeat what is done, and counts it for the quorum', (t) => {
  t.is(say(runOf([{}], { rerun }), { nodes: ['a', 'b'] }), 'release b (1)');
  t.is(say(runOf([{ quorum: { count: 2 } }], { rerun }), { nodes: ['a', 'b'] }), 'release b (1)');
  t.is(
    say(runOf([{ quorum: { count: 2 } }], { rerun }), { nodes: ['a down', 'b'] }),
    'gate: quorum: 1 of 2 nodes with service app present',
  );
  t.is(say(runOf([{}], { rerun }), { nodes: ['a'] }), '0 skip: done in e0, end skip');
});

test('a rerun of run_once that is done runs on no other node', (t) => {
  t.is(say(runOf([{ runOnce: true }], { rerun }), { nodes: ['a', 'b'] }), '0 skip: done in e0, end skip');
});

test('a rebooting target has the time of its reboot and lost_grace before it is lost', (t) => {
  const away = {
    nodes: ['a down'],
    outcomes: { a: { status: 'inprogress', reboot: 600_000 } },
    claims: { a: 'free' },
  } as const;
  const run = next(runOf([{ lostGrace: 60_000 }], { step: at('a') }), away);
  t.deepEqual(run.step.marks.a, { unheld: { at: START, by: 'here', index: 5 } });
  t.is(say(run, { ...away, after: 659_999 }), 'wait: targets are at work');
  t.is(say(run, { ...away, after: 660_000 }), 'settle a lost: lost: it did not come back from its reboot');
  const decision = decide(run, { ...away, after: 600_000 });
  t.is(decision.kind === 'wait' ? decision.until : undefined, 60_000);
  // Held again by its executor: it is back, or not down yet.
  const back = { ...away, nodes: ['a'], claims: { a: 'held' } } as const;
  t.deepEqual(next(run, { ...back, after: 400_000 }).step.marks, {});
});

test('a rebooting target is not waited for when the step is stopped', (t) => {
  const away = {
    nodes: [node('a')],
    outcomes: { a: { status: 'inprogress', reboot: 600_000 } },
    claims: { a: 'free' },
  } as const;
  const stopped = after(runOf([{ lostGrace: 60_000 }], { step: at('a') }), {
    ...away,
    control: { cancel: 1 },
  });
  const noted = next(stopped, away);
  t.is(say(noted, { ...away, after: 60_000 }), 'settle a lost: lost: it did not come back from its reboot');
});
