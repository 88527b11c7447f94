import * as v from 'valibot';
import { isTimeZone, parseDays, parseTimeOfDay } from './days.js';
import { cronFault } from './cron.js';
import { DURATION_PATTERN, parseBufferPeriod, parseDuration } from './durations.js';
import { didYouMean } from './nearest.js';
import { nameFault } from './names.js';

/** The building blocks of the schema: each knows its message and its JSON schema. */
export type Schema = v.GenericSchema;
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Leaf -> its JSON schema, which cannot be read off a check. */
export const LEAF_JSON = new WeakMap<object, JsonSchema>();
/** Schema of two shapes -> its shapes. */
export const CHOICES = new WeakMap<object, readonly Schema[]>();

/** A message and a hint travel as one text through valibot. */
export const HINT = '\u0000hint\u0000';

/** A value in a message: `"text"`, `12`, `a list`, `nothing`. */
export function describeFound(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a map';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}

const isText = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
const isWhole = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;

/** A single value; `expected` is what the message says, `check` may return a better message itself. */
function leaf(expected: string, json: JsonSchema, check: (value: unknown) => boolean | string): Schema {
  const schema = v.custom<unknown>(
    (value) => check(value) === true,
    (issue) => {
      const said = check(issue.input);
      return typeof said === 'string' ? said : `expected ${expected}, found ${describeFound(issue.input)}`;
    },
  );
  LEAF_JSON.set(schema, json);
  return schema;
}

const TEXT: JsonSchema = { type: ['string', 'number', 'boolean'] };

export const text = (expected = 'a text'): Schema => leaf(expected, TEXT, isText);

/** The text of an enumeration, as it is written. */
export const oneOf = (...names: readonly string[]): Schema =>
  leaf(names.map((name) => `"${name}"`).join(' or '), { enum: names }, (value) => {
    if (typeof value !== 'string' || names.includes(value)) return typeof value === 'string';
    const near = didYouMean(value, names);
    return `expected ${names.map((name) => `"${name}"`).join(' or ')}, found ${describeFound(value)}${near === undefined ? '' : HINT + near}`;
  });

export const name = (what: string): Schema =>
  leaf(`the name of ${what}`, { type: ['string', 'number'], minLength: 1, maxLength: 128 }, (value) => {
    if (!isText(value)) return false;
    const fault = nameFault(String(value));
    return fault === undefined || `the name of ${what} ${fault}: found ${describeFound(value)}`;
  });

/** YAML 1.1, which the original spoke, also has yes, no, on and off. */
export const flag = (): Schema =>
  leaf(
    'true or false',
    { type: 'boolean' },
    (value) => typeof value === 'boolean' || (typeof value === 'string' && /^(yes|no|on|off)$/i.test(value)),
  );

export const duration = (least: 'positive' | 'zero'): Schema => {
  const expected = 'a duration: seconds, or a text such as "90s", "5m", "1h30m" (at most 24 days)';
  return leaf(
    expected,
    {
      anyOf: [
        { type: 'number', minimum: 0 },
        { type: 'string', pattern: DURATION_PATTERN },
      ],
    },
    (value) => {
      const ms = parseDuration(value);
      if (ms === 0 && least === 'positive')
        return `expected a duration longer than 0, found ${describeFound(value)}${HINT}leave the key out for the default`;
      return ms !== undefined;
    },
  );
};

export const whole = (least: number, most = Number.MAX_SAFE_INTEGER): Schema =>
  leaf(
    most === Number.MAX_SAFE_INTEGER
      ? least < 0
        ? 'a whole number'
        : `a whole number, ${least} or more`
      : `a whole number, ${least} to ${most}`,
    {
      type: 'integer',
      ...(least < 0 ? {} : { minimum: least }),
      ...(most === Number.MAX_SAFE_INTEGER ? {} : { maximum: most }),
    },
    (value) => isWhole(value, least, most),
  );

export const factor = (): Schema =>
  leaf(
    'a factor from 1 to 100',
    { type: 'number', minimum: 1, maximum: 100 },
    (value) => typeof value === 'number' && value >= 1 && value <= 100,
  );

/** 0 to 100, with or without `%`. */
export const percentage = (): Schema =>
  leaf(
    'a percentage, 0 to 100',
    {
      anyOf: [
        { type: 'number', minimum: 0, maximum: 100 },
        { type: 'string', pattern: '^\\d+(\\.\\d+)?%?$' },
      ],
    },
    (value) => {
      const number = percentOf(value);
      return number !== undefined && number >= 0 && number <= 100;
    },
  );

/** A number of targets, or a percentage of them. */
export const batch = (): Schema =>
  leaf(
    'a number of targets, 1 or more, or a percentage such as "25%"',
    {
      anyOf: [
        { type: 'integer', minimum: 1 },
        { type: 'string', pattern: '^\\d+(\\.\\d+)?%$' },
      ],
    },
    (value) => {
      if (isWhole(value, 1, Number.MAX_SAFE_INTEGER)) return true;
      const percent = typeof value === 'string' && value.endsWith('%') ? percentOf(value) : undefined;
      if (percent !== undefined && percent > 100)
        return `expected at most 100 %, found ${describeFound(value)}`;
      return percent !== undefined && percent > 0;
    },
  );

export function percentOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^\d+(\.\d+)?%?$/.test(value)
    ? Number(value.replace('%', ''))
    : undefined;
}

export const days = (): Schema =>
  leaf(
    'a day such as mon, a range such as mon-fri, or a number from 0 (Sunday) to 6',
    TEXT,
    (value) => isText(value) && parseDays(String(value)) !== undefined,
  );

export const timeOfDay = (): Schema =>
  leaf(
    'a time of day such as "22:00"',
    { type: 'string', pattern: '^\\d{1,2}:\\d{2}$' },
    (value) => typeof value === 'string' && parseTimeOfDay(value) !== undefined,
  );

export const timeZone = (): Schema =>
  leaf('the name of a time zone', { type: 'string' }, (value) => {
    if (typeof value !== 'string' || isTimeZone(value)) return typeof value === 'string';
    const near = didYouMean(value, Intl.supportedValuesOf('timeZone'));
    return `unknown time zone ${describeFound(value)}; expected a name such as "Europe/Berlin" or "UTC"${near === undefined ? '' : HINT + near}`;
  });

export const bufferPeriod = (): Schema =>
  leaf(
    'a shortest and a longest wait such as "5s/20s", the shorter one first',
    { type: 'string', pattern: '^[^/]+/[^/]+$' },
    (value) => parseBufferPeriod(value) !== undefined,
  );

export const cron = (): Schema =>
  leaf('a cron expression', { type: 'string' }, (value) =>
    typeof value === 'string' ? (cronFault(value) ?? true) : false,
  );

/** Any JSON-like value. */
export const anything = (): Schema => v.unknown();

const isMap = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A map with these keys and no other. */
export function block(entries: Readonly<Record<string, Schema>>, what = 'a map'): Schema {
  return v.pipe(
    v.custom<object>(isMap, (issue) => `expected ${what}, found ${describeFound(issue.input)}`),
    v.looseObject(entries),
    v.rawCheck(({ dataset, addIssue }) => {
      const input = dataset.value as Record<string, unknown>;
      for (const key of Object.keys(input)) {
        if (Object.hasOwn(entries, key)) continue;
        const near =
          didYouMean(key, Object.keys(entries)) ?? `known here: ${Object.keys(entries).join(', ')}`;
        addIssue({
          message: `unknown key "${key}"${HINT}${near}`,
          path: [{ type: 'object', origin: 'key', input, key, value: input[key] }],
        });
      }
    }),
  );
}

/** A map from names, which may be any (or must be fit for `keysName`), to values of one kind. */
export function table(item: Schema, what: string, keysName?: string): Schema {
  return v.pipe(
    v.custom<object>(isMap, (issue) => `expected ${what}, found ${describeFound(issue.input)}`),
    v.record(v.string(), item),
    v.rawCheck(({ dataset, addIssue }) => {
      if (keysName === undefined) return;
      const input = dataset.value as Record<string, unknown>;
      for (const key of Object.keys(input)) {
        const fault = nameFault(key);
        if (fault === undefined) continue;
        addIssue({
          message: `the name of ${keysName} ${fault}: found ${describeFound(key)}`,
          path: [{ type: 'object', origin: 'key', input, key, value: input[key] }],
        });
      }
    }),
  );
}

export function list(item: Schema, what: string, least = 0): Schema {
  const schema = v.pipe(
    v.custom<unknown[]>(
      (value) => Array.isArray(value) && value.length >= least,
      (issue) => `expected ${what}, found ${describeFound(issue.input)}`,
    ),
    v.array(item),
  );
  return least === 0 ? schema : v.pipe(schema, v.metadata({ minItems: least }));
}

/** One of two shapes, told apart by what is there, so that the problems of the shape that was meant are reported. */
export function choice(shapes: readonly Schema[], pick: (value: unknown) => Schema): Schema {
  const schema = v.lazy(pick);
  CHOICES.set(schema, shapes);
  return schema;
}

export function oneOrMore(item: Schema, what: string): Schema {
  const several = list(item, what, 1);
  return choice([item, several], (value) => (Array.isArray(value) ? several : item));
}

/** A map where there is one; otherwise the short form. */
export function shortOr(short: Schema, full: Schema): Schema {
  return choice([short, full], (value) => (isMap(value) ? full : short));
}

/** An entry that may be absent, or stand there without a value. */
export function may(description: string, schema: Schema): Schema {
  return v.pipe(v.nullish(schema), v.description(description));
}

export function must(description: string, schema: Schema): Schema {
  return v.pipe(schema, v.description(description));
}
