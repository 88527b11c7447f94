import * as v from 'valibot';
import {
  anything,
  block,
  duration,
  flag,
  HINT,
  list,
  may,
  must,
  name,
  oneOf,
  oneOrMore,
  type Schema,
  shortOr,
  table,
  text,
  whole,
} from './leaf.js';
import { passing, retrying } from './schema-step.js';

const port = () => whole(1, 65_535);
const statuses = () => oneOrMore(whole(100, 599), 'a status code or a list of them');

/** Without success_codes: they are about processes. */
const repeated = () => {
  const { success_codes: _, ...keys } = retrying();
  return keys;
};

/** Operation -> its keys. `must` marks what it cannot do without. */
const OPERATIONS: Readonly<Record<string, () => Record<string, Schema>>> = {
  execute: () => ({
    file: may("A program, relative to the schedule file's folder.", text('a path')),
    arguments: may('Arguments of the program.', list(text(), 'a list of arguments')),
    script: may('A script for /bin/sh, given on its standard input.', text('a script')),
    output: may('Whether what it prints is logged. Default true.', flag()),
    ...retrying(),
  }),
  service: () => ({
    name: must('The service, as the service manager knows it.', text('the name of a service')),
    action: must('start, stop, restart or whatever the service manager takes.', text('an action')),
    ...retrying(),
  }),
  'consul-kvs': () => ({
    action: must('What to do.', oneOf('get', 'put', 'delete')),
    key: must("The key in Consul's key/value store.", text('a key')),
    value: may('put: the value.', text('a value')),
    name: may('get: the variable that takes the value.', text('the name of a variable')),
    ...repeated(),
  }),
  'consul-event': () => ({
    name: must('The name of the Consul user event to fire.', text('the name of an event')),
    filter: may(
      'Which nodes get it.',
      block({ service: may('Nodes with this service.', text()), tag: may('Nodes with this tag.', text()) }),
    ),
    ...repeated(),
  }),
  chef: () => ({
    run_list: may('Recipes and roles.', list(text(), 'a list of recipes and roles')),
    configurations: may(
      'Settings of chef-solo, above the built-in ones.',
      table(anything(), 'a map of settings'),
    ),
    attributes: may('Attributes, above those from attribute_keys.', table(anything(), 'a map of attributes')),
    attribute_keys: may(
      "Prefixes in Consul's key/value store whose JSON values become attributes.",
      list(text(), 'a list of keys'),
    ),
    ...retrying(),
  }),
  reboot: () => ({
    command: may('A shell command that reboots the machine.', text('a command')),
    timeout: may('By when the machine must be back. Default 10 m.', duration('positive')),
  }),
  'wait-for': () => ({
    tcp: may(
      'host:port, or a map of both: wait until it accepts a connection.',
      shortOr(
        text('host:port or a port'),
        block({ host: may('Default 127.0.0.1.', text('a host')), port: must('The port.', port()) }),
      ),
    ),
    http: may(
      'A URL, or a map: wait until it answers with the status.',
      shortOr(
        text('a URL'),
        block({
          url: must('The URL.', text('a URL')),
          status: may('Expected status codes. Default: any 2xx.', statuses()),
        }),
      ),
    ),
    service: may(
      'A Consul service, or a map: wait until its instances are passing.',
      shortOr(
        name('a service'),
        block({
          name: must('The service.', name('a service')),
          tag: may('Only instances with this tag.', name('a tag')),
          passing: may('A number, or all (default).', passing()),
        }),
      ),
    ),
    timeout: may('Default 5 m.', duration('positive')),
    interval: may('Time between two looks. Default 1 s.', duration('positive')),
    ...repeated(),
  }),
  http: () => ({
    url: must('Where to send the request.', text('a URL')),
    method: may('Default GET.', text('a method')),
    headers: may('Headers of the request.', table(text(), 'a map of headers')),
    body: may('Body of the request.', text()),
    status: may('Expected status codes. Default: any 2xx.', statuses()),
    timeout: may('Default 30 s.', duration('positive')),
    ...repeated(),
  }),
};

/** Every operation; `echo` takes a text instead of a map. */
export const OPERATION_NAMES: readonly string[] = [...Object.keys(OPERATIONS), 'echo'];

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  execute: "Runs a program or a script in the schedule file's folder.",
  service: "Starts, stops or restarts a service by the machine's service manager.",
  'consul-kvs': "Reads or changes a key of Consul's key/value store.",
  'consul-event': 'Fires a Consul user event.',
  echo: 'Logs a text.',
  chef: 'Runs chef-solo.',
  reboot: 'Reboots the machine; the task goes on afterwards.',
  'wait-for': 'Waits for a TCP port, an HTTP status or a Consul service.',
  http: 'Makes one HTTP request.',
};

/** An entry of `operations`: a map with one key. */
export function operation(): Schema {
  const entries: Record<string, Schema> = {};
  for (const [kind, keys] of Object.entries(OPERATIONS)) {
    const schema = block(keys());
    // `- reboot:` needs no key of its own; any other operation without a value is a mistake.
    entries[kind] = v.pipe(
      v.optional(kind === 'reboot' ? v.nullish(schema) : schema),
      v.description(DESCRIPTIONS[kind] ?? ''),
    );
  }
  entries.echo = may(DESCRIPTIONS.echo ?? '', text());
  return v.pipe(
    block(entries, 'a map with the name of an operation'),
    v.rawCheck(({ dataset, addIssue }) => {
      // What is no map is reported already.
      if (typeof dataset.value !== 'object' || dataset.value === null || Array.isArray(dataset.value)) return;
      const keys = Object.keys(dataset.value);
      if (keys.length === 1) return;
      const hint =
        keys.length === 0
          ? `operations are: ${OPERATION_NAMES.join(', ')}`
          : 'put each operation into an entry of its own, with its own "-"';
      addIssue({
        message: `expected one operation, found ${keys.length === 0 ? 'nothing' : keys.join(' and ')}${HINT}${hint}`,
      });
    }),
    v.metadata({ minProperties: 1, maxProperties: 1 }),
  );
}

/** `default.<operation>`: the same keys, none of them required. */
export function operationDefaults(): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(OPERATIONS).map(([kind, keys]) => [
      kind,
      may(
        `Defaults for every ${kind} operation.`,
        block(
          Object.fromEntries(
            Object.entries(keys()).map(([key, schema]) => [
              key,
              schema.type === 'nullish' ? schema : v.nullish(schema),
            ]),
          ),
        ),
      ),
    ]),
  );
}
