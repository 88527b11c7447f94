interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
}

const SECONDS: Field = { name: 'seconds', least: 0, most: 59 };
const FIELDS: readonly Field[] = [
  { name: 'minutes', least: 0, most: 59 },
  { name: 'hours', least: 0, most: 23 },
  { name: 'days of the month', least: 1, most: 31 },
  {
    name: 'months',
    least: 1,
    most: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { name: 'days of the week', least: 0, most: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];
/** Days of each month, February in a leap year. */
const LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * What is wrong with a cron expression of five fields (minute hour day month weekday) or six (seconds first); undefined
 * when nothing is. Strict: `*`, numbers, names of months and weekdays, ranges, steps and lists; none of the
 * extensions (`L`, `W`, `#`, `@daily`) on which cron programs differ. An expression that never comes is wrong too.
 */
export function cronFault(expression: string): string | undefined {
  const parts = expression.trim().split(/\s+/);
  if (expression.trim().startsWith('@'))
    return `expected 5 or 6 fields, found the nickname "${expression.trim()}"`;
  if (parts.length !== 5 && parts.length !== 6)
    return `expected 5 fields (minute hour day month weekday) or 6 (seconds first), found ${expression.trim() === '' ? 0 : parts.length}`;
  const fields = parts.length === 6 ? [SECONDS, ...FIELDS] : FIELDS;
  const values: (readonly number[])[] = [];
  for (const [at, field] of fields.entries()) {
    const parsed = parseField(parts[at] ?? '', field);
    if (typeof parsed === 'string') return parsed;
    values.push(parsed);
  }
  const [days = [], months = []] = values.slice(-3);
  if (!months.some((month) => days.some((day) => day <= (LONGEST_MONTHS[month - 1] ?? 0))))
    return `"${parts.at(-3)} ${parts.at(-2)}" (day, month) is a date that never comes`;
  return undefined;
}

function parseField(text: string, field: Field): number[] | string {
  const values: number[] = [];
  for (const item of text.split(',')) {
    const [range = '', step, ...rest] = item.split('/');
    if (item === '' || rest.length > 0)
      return `Malformed "${text}" for ${field.name}; expected a list such as ${field.least},${field.most}`;
    if (step !== undefined && !(/^\d+$/.test(step) && Number(step) >= 1 && Number(step) <= field.most))
      return `Malformed step "${step}" for ${field.name}; expected 1-${field.most}`;
    let from = field.least;
    let to = field.most;
    if (range !== '*') {
      const ends = range.split('-');
      if (ends.length > 2)
        return `Malformed range "${range}" for ${field.name}; expected one such as ${field.least}-${field.most}`;
      // node-cron, which finds the times, takes no such step.
      if (ends.length === 1 && step !== undefined)
        return `Malformed "${item}" for ${field.name}; a step follows "*" or a range such as ${range}-${field.most}`;
      const numbers: number[] = [];
      for (const end of ends) {
        const number = parseValue(end, field);
        if (typeof number === 'string') return number;
        numbers.push(number);
      }
      from = numbers[0] ?? from;
      to = numbers[1] ?? from;
      if (from > to) return `Backward range "${range}" for ${field.name}; expected the lower end first`;
    }
    for (let value = from; value <= to; value += Number(step ?? 1)) values.push(value);
  }
  return values;
}

function parseValue(text: string, { name, least, most, names }: Field): number | string {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  if (named >= 0) return named + least;
  const expected = `expected ${least}-${most}${names === undefined ? '' : ` or ${names[0]}-${names.at(-1)}`}`;
  if (!/^\d+$/.test(text)) return `Malformed value "${text}" for ${name}; ${expected}`;
  const number = Number(text);
  if (number > most) return `Too large value "${text}" for ${name}; ${expected}`;
  if (number < least) return `Too small value "${text}" for ${name}; ${expected}`;
  return number;
}
