import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Signed payloads of Consul user events (`event-key`): `m1.<seconds, base 36>.<mac>[.<payload>]`.
 * The mac is HMAC-SHA-256 over the event's name, the time and the payload, cut to 16 bytes: 33 bytes in
 * all, which leaves 67 for a payload where Consul takes 100. Consul gives an event its ID only after it
 * is fired, so the ID cannot be signed; instead a signed event's id is made from its mac, and a copy of
 * the payload fired again is the same event, which is known.
 */
export type Verified =
  | { readonly ok: true; readonly id: string; readonly payload: string }
  | { readonly ok: false; readonly expired: boolean; readonly reason: string };

/** How old a signature may be, or how far in the future, in ms: clocks differ, and gossip takes its time. */
export const SIGNATURE_LIFE = 300_000;

export function sign(name: string, payload: string, key: string, now: number): string {
  const time = Math.floor(now / 1000).toString(36);
  const parts = ['m1', time, mac(name, time, payload, key).toString('base64url')];
  return payload === '' ? parts.join('.') : [...parts, payload].join('.');
}

export function verify(name: string, signed: string, key: string, now: number): Verified {
  const match = /^m1\.([0-9a-z]{1,10})\.([A-Za-z0-9_-]{22})(?:\.(.+))?$/s.exec(signed);
  if (match === null) return { ok: false, expired: false, reason: 'its payload is not signed' };
  const [, time = '', given = '', payload = ''] = match;
  const expected = mac(name, time, payload, key);
  const found = Buffer.from(given, 'base64url');
  if (found.length !== expected.length || !timingSafeEqual(found, expected)) {
    return { ok: false, expired: false, reason: 'its signature is not made with the event-key' };
  }
  const age = now - Number.parseInt(time, 36) * 1000;
  if (Math.abs(age) > SIGNATURE_LIFE)
    return {
      ok: false,
      expired: true,
      reason: `its signature is ${Math.round(Math.abs(age) / 1000)} s ${age < 0 ? 'ahead' : 'old'}`,
    };
  return { ok: true, id: signedId(expected), payload };
}

/** The id of the event that a signed payload stands for, in the form of Consul's own. */
export function signedEventId(signed: string): string | undefined {
  const given = /^m1\.[0-9a-z]+\.([A-Za-z0-9_-]{22})/.exec(signed)?.[1];
  return given === undefined ? undefined : signedId(Buffer.from(given, 'base64url'));
}

function mac(name: string, time: string, payload: string, key: string): Buffer {
  // A length before each part: ("ab", "c") must not sign the same as ("a", "bc").
  const text = [name, time, payload].map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
  return createHmac('sha256', key).update(text).digest().subarray(0, 16);
}

function signedId(digest: Buffer): string {
  const hex = digest.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
