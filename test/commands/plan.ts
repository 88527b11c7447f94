import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { freshName, registerService, deregister } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { operator, widest } from './_cli.js';

test('plan shows what would run where, who is unhealthy, and whose files differ; nothing is written', async (t) => {
  const [app, lb] = [freshName('app'), freshName('lb')];
  const text = `
events:
  deploy:
    ordered_tasks:
      - {service: ${app}, task: install, serial: [1, 50%]}
      - {service: ${lb}, task: reload, approve: true}
      - {service: ${app}, tag: nobody, task: install}
    always:
      - {service: ${app}, task: install, when: {tags: [blue]}}
tasks:
  install:
    operations:
      - echo: x
  reload:
    operations:
      - echo: x
`;
  const f = fleet(t, { nodes: ['n1', 'n2', 'n3', 'n4'], files: { web: text } });
  await f.serve('n1', app, ['blue']);
  await f.serve('n2', app);
  await f.serve('n3', app);
  const sick = await registerService(f.node('n4').address, {
    name: app,
    check: { TTL: '600s', Status: 'critical' },
  });
  t.teardown(() => deregister(f.node('n4').address, sick));
  await f.serve('n4', lb);
  const run = operator(t, f);
  // n1 has the same file, n2 another version, n3 none of this pattern, n4 has never executed.
  const other = join(f.dir, 'other', 'web', 'task.yml');
  mkdirSync(join(f.dir, 'other', 'web'), { recursive: true });
  writeFileSync(other, `${text}# changed\n`);
  await f.node('n1').execute();
  Object.assign(f.node('n2').config, { files: [other] });
  await f.node('n2').execute();
  Object.assign(f.node('n3').config, { files: [] });
  await f.node('n3').execute();
  const keep = JSON.parse((await f.api.kvGet(`${f.prefix}inbox/n1/.keep`))?.value ?? '{}') as Record<
    string,
    unknown
  >;
  t.like(keep, { Patterns: { web: (keep.Patterns as Record<string, string>).web } });
  t.regex((keep.Patterns as Record<string, string>).web ?? '', /^[0-9a-f]{64}$/);
  t.regex(String(keep.Files), /^[0-9a-f]{64}$/);
  t.regex(String(keep.Version), /^\d+\.\d+/);
  const index = (await f.api.kvGet(`${f.prefix}inbox/n1/.keep`))?.modifyIndex;
  await f.node('n1').execute();
  t.is(
    (await f.api.kvGet(`${f.prefix}inbox/n1/.keep`))?.modifyIndex,
    index,
    'unchanged, it is not written again',
  );

  const before = await f.api.kvKeys(f.prefix);
  const planned = await run(['plan', 'deploy', '--json']);
  t.is(planned.code, 0, planned.err);
  const { steps } = planned.json<{
    steps: { No: number; Section: string; Place: string; Nodes: object[]; Batches?: number[] }[];
  }>();
  t.deepEqual(
    steps.map((step) => [step.No, step.Section]),
    [
      [0, 'main'],
      [1, 'main'],
      [2, 'main'],
      [3, 'always'],
    ],
  );
  t.deepEqual(steps[0]?.Nodes, [
    { Node: 'n1', Healthy: true },
    { Node: 'n2', Healthy: true, File: 'different' },
    { Node: 'n3', Healthy: true, File: 'missing' },
    { Node: 'n4', Healthy: false, File: 'unknown' },
  ]);
  t.deepEqual(steps[0]?.Batches, [1, 2, 1]);
  t.regex(steps[0]?.Place ?? '', /\/web\/task\.yml:5$/);
  t.like(steps[3]?.Nodes[1], { Node: 'n2', Skipped: 'when: no tag blue' });

  const { out } = await run(['plan', 'deploy'], { terminal: 80 });
  t.true(widest(out) <= 80, out);
  const flat = out.replace(/\s+/g, ' ');
  t.regex(flat, /n1, n2, n3, n4 \(in batches of 1, 2, 1\)/);
  t.regex(flat, /! n4 is not healthy/);
  t.regex(flat, /! n3 has no schedule file web: the task would fail there/);
  t.regex(flat, /! n2 has another version of schedule file web/);
  t.regex(flat, /! n4 has not told of any schedule file/);
  t.regex(flat, /! waits for metronome approve/);
  t.regex(flat, /no node has service \S+ and tag nobody: would wait 2 m, then be skipped/);
  t.deepEqual(await f.api.kvKeys(f.prefix), before);
});
