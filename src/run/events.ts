import { idFault, nameFault, shown } from './names.js';

/** A user event as a Consul event watch hands it over. */
export interface ConsulEvent {
  readonly id: string;
  readonly name: string;
  /** Decoded; '' when there is none. */
  readonly payload: string;
  readonly ltime: number;
}

/**
 * Reads what a Consul event watch writes on a handler's standard input: a JSON array of events, `null` or
 * nothing when there are none. Good events are taken, each bad one is a fault: one line that says where,
 * what was found and what was expected.
 */
export function parseEvents(text: string): { events: ConsulEvent[]; faults: string[] } {
  if (text.trim() === '') return { events: [], faults: [] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message.replace(/\s+/g, ' ').slice(0, 120) : '';
    return {
      events: [],
      faults: [
        `standard input is not JSON (${detail}): expected the array of events that a Consul event watch hands over`,
      ],
    };
  }
  if (value === null) return { events: [], faults: [] };
  if (!Array.isArray(value)) {
    return {
      events: [],
      faults: [
        `standard input is ${kindOf(value)}: expected the array of events that a Consul event watch hands over`,
      ],
    };
  }
  const events: ConsulEvent[] = [];
  const faults: string[] = [];
  for (const [at, item] of value.entries()) {
    const parsed = parseEvent(item);
    if (typeof parsed === 'string') faults.push(`event ${at} on standard input ${parsed}`);
    else events.push(parsed);
  }
  return { events, faults };
}

/** One event, or what is wrong with it. */
function parseEvent(item: unknown): ConsulEvent | string {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    return `is ${kindOf(item)}: expected an object with ID and Name`;
  const { ID: id, Name: name, Payload: payload, LTime: ltime } = item as Record<string, unknown>;
  if (id === undefined) return 'has no ID';
  const badId = idFault(id);
  if (badId !== undefined) return `is refused: its ID ${shown(id)} ${badId}`;
  if (name === undefined) return `(${shown(id)}) has no Name`;
  const badName = nameFault(name);
  if (badName !== undefined) return `(${shown(id)}) is refused: its Name ${shown(name)} ${badName}`;
  if (ltime !== undefined && (typeof ltime !== 'number' || !Number.isFinite(ltime)))
    return `(${shown(id)}) has an LTime that is ${kindOf(ltime)}: expected a number`;
  if (payload !== undefined && payload !== null && typeof payload !== 'string')
    return `(${shown(id)}) has a Payload that is ${kindOf(payload)}: expected a base64 string`;
  const decoded = decodeBase64(payload ?? '');
  if (decoded === undefined) return `(${shown(id)}) has a Payload that is not base64`;
  if (decoded.includes('\0'))
    return `(${shown(id)}) has a Payload with a NUL byte, which no environment variable can hold`;
  return {
    id: id as string,
    name: name as string,
    payload: decoded,
    ltime: ltime ?? 0,
  };
}

function decodeBase64(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
