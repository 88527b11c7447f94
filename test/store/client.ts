/** What the client makes of a real Consul: values, odd keys, transactions, blocking queries. */
import test from 'ava';
import { randomBytes } from 'node:crypto';
import { TXN_OPS, type Op } from '../../src/store/client.js';
import { holds, until } from '../support/cluster.js';
import { openStore, session, unchanged } from './_store.js';

const TEXTS = [
  '',
  'plain',
  '"quoted" \'single\' `back`',
  'line\nline\r\n\ttab\n',
  'größe 東京 🚀 \u0301',
  '\u0000\u0001\u001b[31m',
  '{"json":"\\u0000"}',
  '{{ .Value }} $HOME %2F +&=?#',
  ' leading and trailing ',
  'null',
];

test('values come back as they were, by put and by transaction', async (t) => {
  const store = openStore(t);
  for (const [at, text] of TEXTS.entries()) {
    t.true(await store.client.put(`${store.prefix}put/${at}`, text));
    t.true((await store.client.txn([{ verb: 'set', key: `${store.prefix}txn/${at}`, value: text }])).ok);
  }
  for (const way of ['put', 'txn']) {
    for (const [at, text] of TEXTS.entries()) {
      const entry = await store.entry(`${way}/${at}`);
      t.is(entry.value, text);
      t.deepEqual(await store.client.get(`${store.prefix}${way}/${at}`), {
        key: entry.key,
        value: text,
        createIndex: entry.createIndex,
        modifyIndex: entry.modifyIndex,
        flags: 0,
      });
    }
    const tree = await store.client.tree(`${store.prefix}${way}/`);
    t.deepEqual(
      tree.map(({ value }) => value),
      TEXTS,
    );
    t.deepEqual(await store.client.snapshot([`${store.prefix}${way}/`]), tree);
  }
});

test('a value of 383 KiB travels in a transaction, one of 512 KiB by put', async (t) => {
  const store = openStore(t);
  const text = randomBytes(190 * 1024).toString('hex');
  t.true((await store.client.txn([{ verb: 'set', key: `${store.prefix}a`, value: text }])).ok);
  t.is((await store.entry('a')).value, text);
  const most = 'x'.repeat(512 * 1024);
  t.true(await store.client.put(`${store.prefix}b`, most));
  t.is((await store.client.get(`${store.prefix}b`))?.value, most);
});

for (const name of [
  'a b',
  'ñandú',
  '%2F',
  '50%',
  '?x=1&y',
  '#1',
  '+',
  '"q"',
  "'",
  '\\',
  ':',
  'a..b',
  '{id}',
]) {
  test(`a key with ${name} is that key everywhere`, async (t) => {
    const store = openStore(t);
    const key = `${store.prefix}${name}/k`;
    t.true(await store.client.put(key, 'put'));
    t.deepEqual(await store.api.kvKeys(store.prefix), [key]);
    t.is((await store.client.get(key))?.value, 'put');
    t.true((await store.client.txn([{ verb: 'set', key, value: 'txn' }])).ok);
    t.deepEqual(
      (await store.client.tree(`${store.prefix}${name}/`)).map(({ key: found, value }) => [found, value]),
      [[key, 'txn']],
    );
    t.deepEqual(await store.client.keysBelow(`${store.prefix}${name}/`), [key]);
    t.is((await store.client.watchKey(key, { index: 0, wait: 10 })).value?.value, 'txn');
    await store.client.delete(key);
    t.deepEqual(await store.api.kvKeys(store.prefix), []);
  });
}

test('what is not there is undefined, or empty', async (t) => {
  const { client, prefix } = openStore(t);
  t.is(await client.get(`${prefix}x`), undefined);
  t.is(await client.get(`${prefix}x`, { consistent: true }), undefined);
  t.deepEqual(await client.tree(`${prefix}x/`), []);
  t.deepEqual(await client.keysBelow(`${prefix}x/`), []);
  t.deepEqual(await client.snapshot([`${prefix}x/`, `${prefix}y/`]), []);
  await t.notThrowsAsync(client.delete(`${prefix}x`));
});

test('a prefix takes what is below it, and not its neighbours', async (t) => {
  const store = openStore(t);
  for (const key of ['e/1', 'e/1/a', 'e/10/b', 'e/1/c/d']) await store.put(key, 'x');
  const below = (keys: readonly string[]) => keys.map((key) => `${store.prefix}${key}`);
  t.deepEqual(
    (await store.client.tree(`${store.prefix}e/1/`)).map(({ key }) => key),
    below(['e/1/a', 'e/1/c/d']),
  );
  t.deepEqual(await store.client.keysBelow(`${store.prefix}e/1/`, '/'), below(['e/1/a', 'e/1/c/']));
  t.deepEqual(
    await store.client.keysBelow(`${store.prefix}e/`),
    below(['e/1', 'e/1/a', 'e/1/c/d', 'e/10/b']),
  );
});

test('put with an index writes only over what was read', async (t) => {
  const store = openStore(t);
  const key = `${store.prefix}k`;
  t.true(await store.client.put(key, '1', { cas: 0 }));
  await unchanged(t, store, async () => {
    t.false(await store.client.put(key, '2', { cas: 0 }));
    t.false(await store.client.put(key, '2', { cas: 1 }));
  });
  t.true(await store.client.put(key, '2', { cas: (await store.entry('k')).modifyIndex }));
});

test('a transaction that conflicts names every operation that did not hold', async (t) => {
  const store = openStore(t);
  const there = `${store.prefix}there`;
  const index = await store.put('there', 'x');
  const by = await session(t, store);
  const table: readonly (readonly [Op, boolean])[] = [
    [{ verb: 'check-not-exists', key: there }, false],
    [{ verb: 'check-not-exists', key: `${store.prefix}none` }, true],
    [{ verb: 'check-index', key: there, index }, true],
    [{ verb: 'check-index', key: there, index: index - 1 }, false],
    [{ verb: 'check-index', key: `${store.prefix}none`, index: 0 }, false],
    [{ verb: 'check-session', key: there, session: by }, false],
    [{ verb: 'cas', key: there, value: 'y', index: 0 }, false],
    [{ verb: 'get', key: `${store.prefix}none` }, false],
    [{ verb: 'get', key: there }, true],
    [{ verb: 'delete-cas', key: there, index: index - 1 }, false],
    [{ verb: 'lock', key: `${store.prefix}new`, value: '', session: 'none' }, false],
    [{ verb: 'unlock', key: there, value: '', session: by }, false],
  ];
  const result = await unchanged(t, store, () => store.client.txn(table.map(([op]) => op)));
  if (result.ok) return t.fail();
  t.deepEqual(
    [...result.failed],
    table.flatMap(([, good], at) => (good ? [] : [at])),
  );
  t.not(result.what, '');
});

test('a transaction of 64 operations is taken; of 65 it is a defect of ours', async (t) => {
  const store = openStore(t);
  const ops = Array.from(
    { length: TXN_OPS + 1 },
    (_, at): Op => ({
      verb: 'set',
      key: `${store.prefix}${at}`,
      value: 'x',
    }),
  );
  await unchanged(t, store, () => t.throwsAsync(store.client.txn(ops), { message: /65 operations/ }));
  const result = await store.client.txn(ops.slice(1));
  t.true(result.ok);
  t.is(result.ok ? result.entries.length : 0, 64);
});

test('flags and sessions are read along', async (t) => {
  const store = openStore(t);
  const by = await session(t, store);
  await store.client.txn([
    { verb: 'set', key: `${store.prefix}a`, value: 'x', flags: 7 },
    { verb: 'lock', key: `${store.prefix}b`, value: 'y', session: by },
  ]);
  const [a, b] = await store.client.tree(store.prefix);
  t.is(a?.flags, 7);
  t.false('session' in (a ?? {}));
  t.is(b?.session, by);
});

test('watchKey wakes on a change of the key: made, changed, deleted', async (t) => {
  const store = openStore(t);
  const [one, two] = store.clients;
  if (one === undefined || two === undefined) return t.fail();
  const key = `${store.prefix}k`;
  let { value, index } = await one.watchKey(key, { index: 0, wait: 60_000 });
  t.is(value, undefined);
  t.true(index > 0);
  for (const text of ['made', 'changed', undefined]) {
    const waking = one.watchKey(key, { index, wait: 60_000 });
    if (text === undefined) await two.delete(key);
    else await two.put(key, text);
    // A watch on a missing key may wake for a change elsewhere: it is asked again, as a caller does.
    ({ value, index } = await waking);
    while (value?.value !== text) ({ value, index } = await one.watchKey(key, { index, wait: 60_000 }));
    t.is(value?.value, text);
  }
});

test('watchTree wakes on a change below the prefix, and not on one beside it', async (t) => {
  const store = openStore(t);
  const [one, two] = store.clients;
  if (one === undefined || two === undefined) return t.fail();
  const prefix = `${store.prefix}inbox/n1/`;
  await store.put('inbox/n1/.keep', '{}');
  const { value, index } = await one.watchTree(prefix, { index: 0, wait: 60_000 });
  t.deepEqual(
    value.map(({ key }) => key),
    [`${prefix}.keep`],
  );
  let woken = false;
  const waking = one.watchTree(prefix, { index, wait: 60_000 }).then((seen) => {
    woken = true;
    return seen;
  });
  await store.put('inbox/n10/e1/0', 'x');
  await store.put('inbox/n2/.keep', 'x');
  await holds(() => !woken, 'the watch of n1 sleeping while others change');
  await two.put(`${prefix}e1/0`, 'mine');
  const seen = await waking;
  t.deepEqual(
    seen.value.map(({ key }) => key.slice(prefix.length)),
    ['.keep', 'e1/0'],
  );
  t.true(seen.index > index);
});

test('a watch that nothing wakes ends by its time with the same', async (t) => {
  const store = openStore(t);
  await store.put('k', 'x');
  const key = `${store.prefix}k`;
  const before = await store.client.watchKey(key, { index: 0, wait: 1 });
  const after = await store.client.watchKey(key, { index: before.index, wait: 200 });
  t.deepEqual(after, before);
  const tree = await store.client.watchTree(store.prefix, { index: before.index, wait: 200 });
  t.deepEqual(tree.value, [before.value]);
});

test('a watch can be aborted, before it begins and while it hangs', async (t) => {
  const store = openStore(t);
  await store.put('k', 'x');
  const { index } = await store.client.watchTree(store.prefix, { index: 0, wait: 1 });
  const abort = new AbortController();
  const reason = new Error('enough');
  let over = 0;
  const watches = [
    store.client.watchTree(store.prefix, { index, wait: 300_000, signal: abort.signal }),
    store.client.watchKey(`${store.prefix}k`, { index, wait: 300_000, signal: abort.signal }),
  ].map((watch) =>
    (watch as Promise<unknown>).then(
      () => t.fail('it ended by itself'),
      (error: unknown) => {
        t.is(error, reason);
        over += 1;
      },
    ),
  );
  await holds(() => over === 0, 'both watches hanging', 200);
  abort.abort(reason);
  await Promise.all(watches);
  t.is(over, 2);
  const error = await t.throwsAsync(
    store.client.watchKey(`${store.prefix}k`, { index, wait: 300_000, signal: abort.signal }),
  );
  t.is(error, reason);
  // The client is as good as before.
  t.is((await store.client.get(`${store.prefix}k`))?.value, 'x');
});

test('two hundred watches hang at once, and all wake', async (t) => {
  const store = openStore(t);
  await store.put('k', '0');
  const key = `${store.prefix}k`;
  const { index } = await store.client.watchKey(key, { index: 0, wait: 1 });
  const watches = Array.from({ length: 200 }, (_, at) =>
    (store.clients[at % 4] ?? store.client).watchKey(key, { index, wait: 120_000 }),
  );
  await until(async () => store.client.put(key, '1'), 'the write to come through beside 200 watches');
  const seen = await Promise.all(watches);
  t.true(seen.every(({ value }) => value?.value === '1'));
});
