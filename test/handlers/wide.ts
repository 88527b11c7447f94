/** Steps of many targets: a transaction takes 64 operations, so a step's assignments need several. */
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import test from 'ava';
import { createContext } from '../../handlers/context.js';
import { dispatch } from '../../handlers/dispatch.js';
import { execute } from '../../handlers/execute.js';
import { push } from '../../handlers/push.js';
import { silent } from '../../src/log.js';
import { openClient } from '../../src/store/client.js';
import { readResults } from '../../src/store/history.js';
import { consulApi, freshName, startCluster } from '../support/cluster.js';
import { testConfig } from '../support/config.js';
import { tempFolder } from '../support/metronome.js';

test('a step of 200 targets, each with its own inbox, runs once on each before the next begins', async (t) => {
  const cluster = await startCluster({ servers: 1 });
  t.teardown(() => cluster.close());
  const server = cluster.node('s1');
  const api = consulApi(server);
  const service = freshName('app');
  const names = Array.from({ length: 200 }, (_, at) => `w${at + 1}`);
  for (let at = 0; at < names.length; at += 20) {
    await Promise.all(
      names.slice(at, at + 20).map((Node) =>
        api.request('PUT', 'catalog/register', {
          body: { Node, Address: '127.0.0.1', Service: { Service: service } },
        }),
      ),
    );
  }
  const dir = tempFolder(t);
  const file = join(dir, 'web', 'task.yml');
  mkdirSync(join(dir, 'web'));
  writeFileSync(
    file,
    `events: {go: {ordered_tasks: [{service: ${service}, task: hello}, {service: ${service}, task: again}]}}
tasks: {hello: {operations: [{echo: hello}]}, again: {operations: [{echo: again}]}}
`,
  );
  const signal = new AbortController().signal;
  const client = openClient(testConfig(server, { prefix: 'wide/', stateDir: dir }));
  t.teardown(() => client.close());
  // Each node is an execute call of its own, with its own name and state folder.
  const contextOf = (node: string) =>
    createContext({
      config: testConfig(server, { prefix: 'wide/', stateDir: join(dir, node), files: [file], node }),
      client,
      log: silent,
      signal,
    });
  const id = randomUUID();
  await push(contextOf('w1'), JSON.stringify([{ ID: id, Name: 'go', Payload: null, LTime: 1 }]));
  await dispatch(contextOf('w1'));
  t.is((await api.kvKeys('wide/inbox/')).filter((key) => key.includes(id)).length, 200);
  for (let at = 0; at < names.length; at += 25) {
    await Promise.all(names.slice(at, at + 25).map((node) => execute(contextOf(node))));
    if (at + 25 < names.length)
      t.is((await readResults(client, id)).steps.length, 1, 'the second step waits for all');
  }
  for (let at = 0; at < names.length; at += 25)
    await Promise.all(names.slice(at, at + 25).map((node) => execute(contextOf(node))));
  await dispatch(contextOf('w1'));
  const { event, steps, nodes } = await readResults(client, id);
  t.is(event?.Status, 'success');
  t.deepEqual(
    steps.map((step) => [step.Status, step.Targets]),
    [
      ['success', 200],
      ['success', 200],
    ],
  );
  t.is(nodes.length, 400);
  t.true(nodes.every((node) => node.Status === 'success'));
  t.deepEqual(
    (await api.kvKeys('wide/')).filter(
      (key) => !/^wide\/(results\/|inbox\/[^/]+\/\.keep$|schedules\/)/.test(key),
    ),
    [],
  );
});
