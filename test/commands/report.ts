import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import type { DetailedEvent } from '../../src/commands/event-view.js';
import { escape, reportPage, ticksOf } from '../../src/commands/report-page.js';
import { freshName } from '../support/cluster.js';
import { fleet } from '../support/fleet.js';
import { tempFolder } from '../support/metronome.js';
import { drive, operator } from './_cli.js';

const at = (second: number) => new Date(Date.UTC(2026, 10, 23, 12, 0, second)).toISOString();
const EVIL = '</script><script>document.title="taken"</script><img src=x onerror="document.title=1">&\'"';

const EVENT: DetailedEvent = {
  ID: 'e1',
  Name: EVIL,
  Status: 'error',
  Reason: `step 0: ${EVIL}`,
  QueuedAt: at(0),
  StartedAt: at(1),
  FinishedAt: at(31),
  Steps: 2,
  Actions: [{ what: 'fire', user: EVIL, host: 'adm', at: at(0), reason: EVIL }],
  StepResults: [
    {
      No: 0,
      Name: 'install',
      Status: 'error',
      Section: 'main',
      Service: EVIL,
      StartedAt: at(1),
      FinishedAt: at(30),
      Nodes: [
        { Node: 'n1', Status: 'success', StartedAt: at(2), FinishedAt: at(12) },
        { Node: EVIL, Status: 'error', StartedAt: at(2), FinishedAt: at(30), Reason: EVIL },
      ],
    },
  ],
};
const PAGE = reportPage(EVENT, [{ no: 0, node: 'n1', text: `${at(3)} [ERROR] ${EVIL}\n` }], {
  clock: { utc: true, now: Date.UTC(2026, 10, 23, 13) },
  version: '1.2.3',
});

test('the report has no script and asks for nothing, and all that comes from elsewhere is escaped', (t) => {
  t.notRegex(PAGE, /<script|<img|<link|url\(|@import|https?:/i);
  t.is(PAGE.split(escape(EVIL)).length > 8, true);
  t.regex(PAGE, /default-src 'none'; style-src 'unsafe-inline'/);
  t.regex(PAGE, /1 step not run/);
  t.is(escape('a\u0000\u001b[31m\u202e<b>'), 'a\ufffd\ufffd[31m\ufffd&lt;b&gt;');
});

test('the axis has a handful of round marks, whatever the span', (t) => {
  for (const span of [3, 40, 999, 30_000, 61_000, 3_600_000, 5 * 86_400_000]) {
    const ticks = ticksOf(span);
    t.true(ticks.length >= 3 && ticks.length <= 8, `${span}: ${ticks.join()}`);
  }
});

test('report ID is the page of an event, with its logs', async (t) => {
  const app = freshName('app');
  const f = fleet(t, {
    files: {
      web: `
events:
  e:
    ordered_tasks:
      - {service: ${app}, task: prints}
tasks:
  prints:
    operations:
      - execute: {script: 'echo "</script><b>& more"; exit 4'}
`,
    },
  });
  await f.serve('n1', app);
  const run = operator(t, f);
  drive(t, f);
  const { ID: id } = (await run(['fire', 'e', '--wait', '--json'])).json<{ ID: string }>();
  const page = await run(['report', id.slice(0, 8)]);
  t.is(page.code, 0, page.err);
  t.regex(page.out, /^<!doctype html>/);
  t.true(page.out.includes('&lt;/script&gt;&lt;b&gt;&amp; more'));
  t.false((await run(['report', id, '--no-logs'])).out.includes('&amp; more'));
  t.is((await run(['report', 'no-such-event'])).code, 2);
});

const chromium = [process.env.CHROMIUM, '/usr/bin/chromium'].find(
  (path) => path !== undefined && existsSync(path),
);
const inBrowser = chromium === undefined ? test.skip : test;

inBrowser('a browser shows the report, runs nothing of it, and it fits a phone (needs Chromium)', (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'run.html');
  // The page, with what a browser makes of it told in its title; only this copy may run a script.
  const probe = `<script>document.title = JSON.stringify({
    title: document.title, bars: document.querySelectorAll('.bar').length, logs: document.querySelectorAll('details').length,
    images: document.images.length, wide: document.documentElement.scrollWidth, width: innerWidth });</script></body>`;
  writeFileSync(
    file,
    PAGE.replace(/<meta http-equiv[^>]*>/, '').replace('</body>', () => probe),
  );
  for (const [width, height] of [
    [1200, 800],
    [500, 900],
  ]) {
    const dom = execFileSync(
      chromium as string,
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        `--user-data-dir=${join(folder, `profile-${width}`)}`,
        `--window-size=${width},${height}`,
        '--dump-dom',
        pathToFileURL(file).href,
      ],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 60_000,
        env: { ...process.env, HOME: folder },
      },
    );
    const title = /<title>([^]*?)<\/title>/.exec(dom)?.[1] ?? '';
    const told = JSON.parse(
      title
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&quot;', '"')
        .replaceAll('&amp;', '&'),
    ) as Record<string, unknown>;
    t.like(told, { title: `${EVIL}: error`, bars: 2, logs: 1, images: 0 });
    t.true(
      Number(told.wide) <= Number(told.width),
      `${Number(told.wide)} of ${Number(told.width)}: nothing stands out to the right`,
    );
  }
});
