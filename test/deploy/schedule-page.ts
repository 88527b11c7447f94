/** deploy/SCHEDULE.md against the schema, the parser and the defaults of the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { TASK_TIMEOUT } from '../../src/operations/run-task.js';
import { STEP_DEFAULTS } from '../../src/run/plan.js';
import { duration } from '../../src/run/time.js';
import { jsonSchema } from '../../src/schedule/json-schema.js';
import { parseSchedule } from '../../src/schedule/parse.js';
import { root } from '../support/project.js';

const page = readFileSync(join(root, 'deploy/SCHEDULE.md'), 'utf8');

interface Row {
  readonly keys: readonly string[];
  readonly text: string;
}

/** Heading -> its table. */
const sections = new Map<string, Row[]>();
for (const part of page.split(/^#{2,3} /m).slice(1)) {
  const [heading = ''] = part.split('\n', 1);
  const rows = part.split('\n').filter((line) => line.startsWith('| `'));
  sections.set(
    heading.trim(),
    rows.map((text) => ({
      keys: [...(text.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
      text,
    })),
  );
}

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Node>>;
}

/** Where the keys below a key stand, when not under its own name or beside it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  events: 'event',
  tasks: 'task',
  operations: 'Operations',
  ordered_tasks: 'step',
  rescue: 'step',
  always: 'step',
};

const schema = jsonSchema() as Node;
const known = new Set<string>();
const missing = new Set<string>();
const seen = new Set<string>();

function walk(node: Node, section: string): void {
  const target = node.$ref === undefined ? node : (schema.$defs?.[node.$ref.split('/').at(-1) ?? ''] ?? {});
  for (const [key, child] of Object.entries(target.properties ?? {})) {
    known.add(key);
    const rows = [...(sections.get(section) ?? []), ...(sections.get('retries') ?? [])];
    const isOperation = section === 'Operations' && sections.has(key);
    if (!isOperation && !rows.some(({ keys }) => keys.includes(key))) missing.add(`${section}: ${key}`);
    // `http` within `wait-for` is no operation.
    const own = sections.has(key) && section !== 'wait-for' ? key : section;
    const next = ELSEWHERE[key] ?? own;
    if (seen.has(`${next} ${key} ${section}`)) continue;
    seen.add(`${next} ${key} ${section}`);
    walk(child, next);
  }
  for (const inner of [...(target.anyOf ?? []), ...(target.items ? [target.items] : [])])
    walk(inner, section);
  if (typeof target.additionalProperties === 'object') walk(target.additionalProperties, section);
}
walk(schema, 'The file');

test('every key of the schema stands in the page, under its heading', (t) => {
  t.deepEqual([...missing], []);
  t.true(known.size > 80, `${known.size} keys were seen`);
});

test('the page names no key that there is not', (t) => {
  const named = [...sections.values()].flat().flatMap(({ keys }) => keys);
  t.deepEqual(
    named.filter((key) => !known.has(key)),
    [],
  );
});

test('every key has a type, a default, an example and an origin', (t) => {
  for (const [heading, rows] of sections)
    for (const { text } of rows) t.is(text.split(/(?<!\\) ?\| ?/).length, 7, `${heading}: ${text}`);
});

test('the defaults of the page are those of the code', (t) => {
  const shown = (section: string, key: string) =>
    sections
      .get(section)
      ?.find(({ keys }) => keys.includes(key))
      ?.text.split(' | ')[2];
  const seconds = (ms: number) => (ms > 300_000 || ms === 120_000 ? `${ms / 1000} s` : duration(ms));
  const names = {
    startTimeout: 'start_timeout',
    stepTimeout: 'step_timeout',
    lostGrace: 'lost_grace',
    grace: 'grace',
    minHealthyTime: 'min_healthy_time',
    healthyDeadline: 'healthy_deadline',
  } as const;
  for (const [name, key] of Object.entries(names)) {
    const ms = STEP_DEFAULTS[name as keyof typeof names];
    t.is(shown('step', key), ms === 60_000 ? '60 s' : seconds(ms), key);
  }
  t.is(shown('default', 'timeout'), `${TASK_TIMEOUT / 1000} s`);
});

test('the examples of the page are in order', (t) => {
  const blocks = [...page.matchAll(/^```yaml\n([^]*?)^```/gm)].map((match) => match[1] ?? '');
  t.true(blocks.length > 0);
  for (const block of blocks) t.deepEqual(parseSchedule(block, '/deploy/web/task.yml').problems, []);
});
