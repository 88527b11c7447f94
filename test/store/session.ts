import test from 'ava';
import { isStatus } from '../../src/store/client.js';
import { createSession, destroySession, renewSession, SESSION_TTL } from '../../src/store/session.js';
import { openStore, type Store } from './_store.js';

async function infoOf(store: Store, id: string) {
  const [info] = await store.api.request<Record<string, unknown>[]>('GET', `session/info/${id}`);
  return info;
}

test('a session is released, not deleted, has no lock delay and no check', async (t) => {
  const store = openStore(t);
  const id = await createSession(store.client, '"n1"');
  t.teardown(() => store.api.destroySession(id));
  const info = await infoOf(store, id);
  t.regex(String(info?.Name), /"n1"$/);
  t.like(info, {
    ID: id,
    TTL: `${SESSION_TTL}s`,
    LockDelay: 0,
    Behavior: 'release',
    Node: 'n1',
  });
  t.falsy((info?.Checks as unknown[] | null)?.length);
  t.falsy((info?.NodeChecks as unknown[] | null)?.length);
});

test('a session is renewed while it lives, from any node; a destroyed one is gone', async (t) => {
  const store = openStore(t);
  const id = await createSession(store.client, 'test');
  for (const client of store.clients) t.true(await renewSession(client, id));
  await destroySession(store.client, id);
  t.is(await infoOf(store, id), undefined);
  for (const client of store.clients) t.false(await renewSession(client, id));
  await t.notThrowsAsync(destroySession(store.client, id));
});

test('renewing what never was one is false, or an error, but never true', async (t) => {
  const store = openStore(t);
  t.false(await renewSession(store.client, '8f7cb6d2-0c3f-4d1f-9d57-1f5a1b4c2d3e'));
});

test('what a session held is free with its end, and stays', async (t) => {
  const store = openStore(t);
  const id = await createSession(store.client, 'test');
  const key = `${store.prefix}k`;
  t.true((await store.client.txn([{ verb: 'lock', key, value: 'x', session: id }])).ok);
  t.is((await store.entry('k')).session, id);
  await destroySession(store.client, id);
  const entry = await store.entry('k');
  t.is(entry.session, undefined);
  t.is(entry.value, 'x');
  // At once: there is no lock delay.
  const next = await createSession(store.client, 'next');
  t.teardown(() => store.api.destroySession(next));
  t.true((await store.client.txn([{ verb: 'lock', key, value: 'y', session: next }])).ok);
});

test('isStatus looks behind the error', (t) => {
  t.false(isStatus(undefined, 404));
  t.false(isStatus(new Error('x'), 404));
  t.true(isStatus(new Error('x', { cause: { response: { statusCode: 404 } } }), 404));
  t.false(isStatus(new Error('x', { cause: { response: { statusCode: 500 } } }), 404));
});
