/** The operations wait-for and http as steps of a run. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { freshName } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { run, task, TTL } from './_tasks.js';

test('wait-for a port, a status and a service, then one http request', async (t) => {
  const app = freshName('app');
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${String(request.headers['x-node'] ?? '')}`.trim());
    // Not ready at first.
    response.statusCode = seen.length < 3 ? 503 : 200;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const f = fleet(t, {
    nodes: ['n1'],
    files: {
      web: `
variables: {base: 'http://127.0.0.1:${port}'}
events:
  go: {ordered_tasks: [{service: ${app}, task: ready}]}
  fails: {ordered_tasks: [{service: ${app}, task: closed}]}
tasks:${task(
        'ready',
        `
      - wait-for: {tcp: '127.0.0.1:${port}', timeout: 20s}
      - wait-for: {http: '{{base}}/ready', interval: 50ms, timeout: 20s}
      - wait-for: {service: {name: ${app}, passing: 1}, timeout: 20s}
      - http: {url: '{{base}}/notify', method: post, headers: {x-node: '{{role}}'}, body: done}`,
        run('note start'),
      )}${task('closed', "\n      - http: {url: '{{base}}/x', status: 404}")}
`,
    },
    config: () => ({ role: 'web' }),
  });
  await f.serve('n1', app, [], TTL);
  t.is((await f.ended(await f.fire('go'))).event.Status, 'success');
  t.deepEqual(seen, ['GET /ready', 'GET /ready', 'GET /ready', 'POST /notify web']);
  t.deepEqual(f.starts(), ['n1 ready']);
  const { event } = await f.ended(await f.fire('fails'));
  t.is(event.Status, 'error');
  t.regex(event.Reason ?? '', /http at .*task\.yml:\d+ got status 200, expected 404/);
});
