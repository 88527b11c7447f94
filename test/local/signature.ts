import test from 'ava';
import { SIGNATURE_LIFE, sign, signedEventId, verify } from '../../src/local/signature.js';

const NOW = Date.UTC(2024, 0, 2);
const KEY = 'the key';

test('what is signed is verified, and says what it carries', (t) => {
  for (const payload of ['', 'x', 'a.b.c', 'größe\n"q"', '.']) {
    const signed = sign('deploy', payload, KEY, NOW);
    const verified = verify('deploy', signed, KEY, NOW + 1000);
    if (!verified.ok) return t.fail(verified.reason);
    t.is(verified.payload, payload);
    t.regex(verified.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    t.is(signedEventId(signed), verified.id);
  }
  t.true(sign('deploy', '', KEY, NOW).length <= 33);
});

test('any change to it is refused', (t) => {
  const signed = sign('deploy', 'payload', KEY, NOW);
  for (let at = 0; at < signed.length; at += 1) {
    const other = signed.charAt(at) === 'A' ? 'B' : 'A';
    const forged = signed.slice(0, at) + other + signed.slice(at + 1);
    t.false(verify('deploy', forged, KEY, NOW).ok, forged);
  }
  t.false(verify('Deploy', signed, KEY, NOW).ok);
  t.false(verify('deploy', signed, 'another key', NOW).ok);
  t.false(verify('deploy', `${signed}x`, KEY, NOW).ok);
  // What stands on one side of a border does not count as standing on the other.
  t.false(verify('deployp', signed.replace('.payload', '.ayload'), KEY, NOW).ok);
  for (const text of ['', 'm1', 'm1..', 'm1.x.y', 'token', signed.slice(0, 30), `m2${signed.slice(2)}`]) {
    const verified = verify('deploy', text, KEY, NOW);
    if (verified.ok) return t.fail(text);
    t.false(verified.expired);
    t.false(verified.reason.includes(KEY));
  }
});

test('one that is too old or from the future has expired, and nothing else is wrong with it', (t) => {
  const signed = sign('deploy', '', KEY, NOW);
  t.true(verify('deploy', signed, KEY, NOW + SIGNATURE_LIFE).ok);
  t.true(verify('deploy', signed, KEY, NOW - SIGNATURE_LIFE).ok);
  for (const [at, words] of [
    [NOW + SIGNATURE_LIFE + 1000, '301 s old'],
    [NOW - SIGNATURE_LIFE - 1000, '301 s ahead'],
  ] as const)
    t.deepEqual(verify('deploy', signed, KEY, at), {
      ok: false,
      expired: true,
      reason: `its signature is ${words}`,
    });
  const forged = verify('deploy', signed, 'another', NOW + SIGNATURE_LIFE * 2);
  t.false(forged.ok || forged.expired);
});

test('fired again it is the same event; signed again it is another', (t) => {
  const id = (signed: string) => signedEventId(signed);
  t.is(id(sign('deploy', 'x', KEY, NOW)), id(sign('deploy', 'x', KEY, NOW)));
  t.not(id(sign('deploy', 'x', KEY, NOW)), id(sign('deploy', 'x', KEY, NOW + 1000)));
  t.not(id(sign('deploy', 'x', KEY, NOW)), id(sign('deploy', 'y', KEY, NOW)));
  t.is(id('not signed'), undefined);
});
