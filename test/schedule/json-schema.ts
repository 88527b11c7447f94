import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { jsonSchema } from '../../src/schedule/json-schema.js';

const ROOT = join(import.meta.dirname, '../../..');

test('deploy/task.schema.json is that of the source', (t) => {
  const committed = readFileSync(join(ROOT, 'deploy/task.schema.json'), 'utf8');
  t.true(
    committed === `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    'stale: run npx tsc && node build/src/schedule/json-schema-main.js > deploy/task.schema.json',
  );
});

interface Node {
  readonly type?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly enum?: readonly unknown[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Node>>;
}

test('every key has a description, and says what it takes', (t) => {
  const bare: string[] = [];
  const look = (node: Node, path: string, depth: number) => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      if (!child.description) bare.push(`${path}.${key}: no description`);
      const free = child.description === 'Without effect.';
      if (!free && !(child.type ?? child.anyOf ?? child.enum ?? child.$ref))
        bare.push(`${path}.${key}: anything`);
      look(child, `${path}.${key}`, depth + 1);
    }
    if (depth > 20) return;
    for (const [no, child] of [...(node.anyOf ?? []), ...(node.items ? [node.items] : [])].entries())
      look(child, `${path}[${no}]`, depth + 1);
    if (typeof node.additionalProperties === 'object')
      look(node.additionalProperties, `${path}.*`, depth + 1);
    for (const [key, child] of Object.entries(node.$defs ?? {})) look(child, `#${key}`, depth + 1);
  };
  look(jsonSchema(), '', 0);
  t.deepEqual(bare, []);
});
