import test from 'ava';
import { InputError, PermissionError, UnreachableError } from '../../src/errors.js';
import { patiently, type Patience } from '../../src/store/retry.js';

const QUICK: Patience = { retries: 3, first: 1, most: 2 };

test('it tries again while Consul does not answer', async (t) => {
  const seen: number[] = [];
  let tries = 0;
  const answer = await patiently(
    async () => {
      tries += 1;
      if (tries < 3) throw new UnreachableError(`no answer ${tries}`);
      return 'done';
    },
    { ...QUICK, onRetry: (_, left) => seen.push(left) },
  );
  t.is(answer, 'done');
  t.is(tries, 3);
  t.deepEqual(seen, [3, 2]);
});

test('it gives up after as many tries, with the last error', async (t) => {
  let tries = 0;
  const error = await t.throwsAsync(
    patiently(async () => {
      tries += 1;
      throw new UnreachableError(`no answer ${tries}`);
    }, QUICK),
    { instanceOf: UnreachableError },
  );
  t.is(error.message, 'no answer 4');
  t.is(tries, 4);
});

for (const wrong of [new PermissionError('no'), new InputError('no'), new TypeError('no')]) {
  test(`it does not try again after ${wrong.name}, and throws that itself`, async (t) => {
    let tries = 0;
    const error = await t.throwsAsync(
      patiently(async () => {
        tries += 1;
        throw wrong;
      }, QUICK),
    );
    t.is(error, wrong);
    t.is(tries, 1);
  });
}

test('it can be stopped between two tries', async (t) => {
  const stop = new AbortController();
  const reason = new Error('stopped');
  let tries = 0;
  const error = await t.throwsAsync(
    patiently(
      async () => {
        tries += 1;
        if (tries === 2) setImmediate(() => stop.abort(reason));
        throw new UnreachableError('no answer');
      },
      { retries: 1000, first: 1, most: 60_000, signal: stop.signal },
    ),
  );
  t.is(error, reason);
  t.true(tries >= 2);
});
