// Writes the JSON schema of task.yml: node build/src/schedule/json-schema-main.js > deploy/task.schema.json
import { jsonSchema } from './json-schema.js';

process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
