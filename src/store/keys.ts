import { idFault, nameFault } from '../run/names.js';

/** Builds and parses every path in the store. All prefixes end with a slash: `e/10` is not below `e/1/`. */
export interface Keys {
  readonly prefix: string;
  readonly queue: string;
  queued(id: string): string;
  readonly active: string;
  slot(group: string, slot: number): string;
  readonly progress: string;
  progressOf(id: string): string;
  run(id: string): string;
  turn(id: string): string;
  step(id: string, no: number): string;
  outcome(id: string, no: number, node: string): string;
  inbox(node: string): string;
  keep(node: string): string;
  assignment(node: string, id: string, no: number): string;
  readonly results: string;
  resultsOf(id: string): string;
  result(id: string): string;
  stepResult(id: string, no: number): string;
  nodeResult(id: string, no: number, node: string): string;
  log(id: string, no: number, node: string): string;
  given(id: string): string;
  readonly controls: string;
  control(id: string): string;
  readonly schedules: string;
  schedule(name: string): string;
}

export function keysBelow(prefix: string): Keys {
  const queue = `${prefix}event_queue/`;
  const active = `${prefix}active/`;
  const progress = `${prefix}progress_task_queue/`;
  const inboxes = `${prefix}inbox/`;
  const results = `${prefix}results/`;
  const controls = `${prefix}control/`;
  const schedules = `${prefix}schedules/`;
  return {
    prefix,
    queue,
    queued: (id) => queue + id,
    active,
    slot: (group, slot) => `${active}${group}/${slot}`,
    progress,
    progressOf: (id) => `${progress}${id}/`,
    run: (id) => `${progress}${id}/run`,
    turn: (id) => `${progress}${id}/turn`,
    step: (id, no) => `${progress}${id}/${no}/`,
    outcome: (id, no, node) => `${progress}${id}/${no}/${node}`,
    inbox: (node) => `${inboxes}${node}/`,
    keep: (node) => `${inboxes}${node}/.keep`,
    assignment: (node, id, no) => `${inboxes}${node}/${id}/${no}`,
    results,
    resultsOf: (id) => `${results}${id}/`,
    result: (id) => results + id,
    stepResult: (id, no) => `${results}${id}/${no}`,
    nodeResult: (id, no, node) => `${results}${id}/${no}/${node}`,
    log: (id, no, node) => `${results}${id}/${no}/${node}/log`,
    given: (id) => `${results}${id}/given`,
    controls,
    control: (id) => controls + id,
    schedules,
    schedule: (name) => schedules + name,
  };
}

/** The parts of a key below `progress_task_queue/`; undefined when it is none of ours. */
export function parseProgress(
  keys: Keys,
  key: string,
):
  | { id: string; kind: 'run' }
  | { id: string; kind: 'outcome'; no: number; node: string }
  | { id: string; kind: 'turn' }
  | undefined {
  if (!key.startsWith(keys.progress)) return undefined;
  const parts = key.slice(keys.progress.length).split('/');
  const [id, second, node] = parts;
  if (id === undefined || second === undefined || idFault(id) !== undefined) return undefined;
  if (parts.length === 2 && (second === 'run' || second === 'turn')) return { id, kind: second };
  const no = stepNumber(second);
  if (parts.length !== 3 || no === undefined || node === undefined || nameFault(node) !== undefined)
    return undefined;
  return { id, kind: 'outcome', no, node };
}

/** The parts of a key below `inbox/<node>/`; undefined for `.keep` and what is none of ours. */
export function parseAssignment(
  keys: Keys,
  node: string,
  key: string,
): { id: string; no: number } | undefined {
  const inbox = keys.inbox(node);
  if (!key.startsWith(inbox)) return undefined;
  const parts = key.slice(inbox.length).split('/');
  const [id, second] = parts;
  if (parts.length !== 2 || id === undefined || second === undefined || idFault(id) !== undefined)
    return undefined;
  const no = stepNumber(second);
  return no === undefined ? undefined : { id, no };
}

/** The parts of a key below `active/`. */
export function parseSlot(keys: Keys, key: string): { group: string; slot: number } | undefined {
  if (!key.startsWith(keys.active)) return undefined;
  const parts = key.slice(keys.active.length).split('/');
  const [group, second] = parts;
  if (parts.length !== 2 || group === undefined || second === undefined || nameFault(group) !== undefined)
    return undefined;
  const slot = stepNumber(second);
  return slot === undefined ? undefined : { group, slot };
}

/** The parts of a key below `results/`. */
export function parseResult(
  keys: Keys,
  key: string,
): { id: string; no?: number; node?: string; log?: true } | undefined {
  if (!key.startsWith(keys.results)) return undefined;
  const parts = key.slice(keys.results.length).split('/');
  const [id, second, node, last] = parts;
  if (id === undefined || idFault(id) !== undefined || parts.length > 4) return undefined;
  if (second === undefined) return { id };
  const no = stepNumber(second);
  if (no === undefined) return undefined;
  if (node === undefined) return { id, no };
  if (nameFault(node) !== undefined) return undefined;
  if (last === undefined) return { id, no, node };
  return last === 'log' ? { id, no, node, log: true } : undefined;
}

/** A step or slot number as it stands in a key: decimal, without leading zeros. */
function stepNumber(text: string): number | undefined {
  return /^(0|[1-9]\d{0,5})$/.test(text) ? Number(text) : undefined;
}
