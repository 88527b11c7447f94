import { toJsonSchema } from '@valibot/to-json-schema';
import { CHOICES, LEAF_JSON, type Schema } from './leaf.js';
import { scheduleFile, stepEntry } from './schema.js';

const TITLE = 'metronome schedule file (task.yml)';

/** The JSON schema of a schedule file (draft-07, which editors know best), made from the schema that parsing uses. */
export function jsonSchema(): object {
  const schema = convert(scheduleFile, { step: stepEntry });
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: TITLE, ...schema };
}

type Converted = ReturnType<typeof toJsonSchema>;

function convert(schema: Schema, definitions?: Record<string, Schema>): Converted {
  const { $schema: _, ...converted } = toJsonSchema(schema, {
    // Checks that JSON schema cannot say are left to `metronome validate`.
    errorMode: 'ignore',
    ...(definitions === undefined ? {} : { definitions: definitions }),
    overrideSchema: ({ valibotSchema, jsonSchema: made }) => {
      const leaf = LEAF_JSON.get(valibotSchema);
      if (leaf !== undefined) return leaf;
      const shapes = CHOICES.get(valibotSchema);
      if (shapes !== undefined) return { anyOf: shapes.map((shape) => convert(shape)) };
      // An entry may stand there without a value, which no editor needs to offer.
      if (valibotSchema.type === 'nullish') return ((made.anyOf ?? []) as Converted[])[0] ?? made;
      if (valibotSchema.type === 'record') {
        const { propertyNames: _names, ...rest } = made;
        return rest;
      }
      if (valibotSchema.type === 'loose_object') {
        const { required, ...rest } = made;
        return { ...rest, ...(required?.length ? { required } : {}), additionalProperties: false };
      }
      return undefined;
    },
    overrideAction: ({ valibotAction, jsonSchema: made }) => {
      if (valibotAction.type !== 'description' || made.description !== '') return undefined;
      const { description: _empty, ...rest } = made;
      return rest;
    },
  });
  return converted;
}
