import { messageOf } from '../errors.js';
import type { ChefOperation } from '../schedule/types.js';
import { askConsul, type OperationContext, OperationFailure } from './operation.js';

type Tree = { [key: string]: unknown };

/**
 * The node attributes of a chef run: the JSON values found under each of `attribute_keys`, merged in order, then `attributes`
 * over them. Without Consul there are only the latter: chef may be what sets Consul up.
 */
export async function chefAttributes(operation: ChefOperation, context: OperationContext): Promise<Tree> {
  let merged: Tree = {};
  const { consul, log } = context.task;
  if (consul === null && operation.attributeKeys.length > 0)
    log.line('WARN', 'without Consul: no attributes from attribute_keys');
  for (const source of consul === null ? [] : operation.attributeKeys) {
    for (const { key, value } of await entriesUnder(context.text(source), context)) {
      // The key of a folder, as Consul's own pages make them.
      if (value === '') continue;
      merged = mergeDeep(merged, parse(key, value));
    }
  }
  return mergeDeep(merged, substituteDeep(operation.attributes, context.text) as Tree);
}

async function entriesUnder(
  source: string,
  context: OperationContext,
): Promise<{ key: string; value: string }[]> {
  return askConsul(context, async (consul) => {
    if (consul.list !== undefined) return consul.list(source);
    const value = await consul.get(source);
    return value === null ? [] : [{ key: source, value }];
  });
}

function parse(key: string, value: string): Tree {
  try {
    const tree: unknown = JSON.parse(value);
    if (isTree(tree)) return tree;
  } catch (error) {
    throw new OperationFailure(`cannot use key ${key}: it is no JSON (${withoutValue(messageOf(error))})`);
  }
  throw new OperationFailure(`cannot use key ${key}: its JSON is no map of attributes`);
}

/** JSON.parse quotes what it could not read, which may be a password. */
function withoutValue(message: string): string {
  return /at position \d+/.exec(message)?.[0] ?? 'it ends too early';
}

/** Maps are merged key by key; anything else above replaces what is below. */
export function mergeDeep(below: Tree, above: Tree): Tree {
  const merged = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) {
    const former = merged.get(key);
    merged.set(key, isTree(former) && isTree(value) ? mergeDeep(former, value) : value);
  }
  // Unlike an assignment, this takes `__proto__` for a name like any other.
  return Object.fromEntries(merged);
}

/** `{{…}}` replaced in every text within lists and maps. */
export function substituteDeep(value: unknown, text: (source: string) => string): unknown {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((item) => substituteDeep(item, text));
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substituteDeep(item, text)]));
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
