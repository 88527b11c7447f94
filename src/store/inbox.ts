import { lastCounts, NARROW, type Turn } from '../run/looks.js';
import type { Assignment, Outcome, Release, Run, Settlement, StepSpec } from '../run/types.js';
import { type Client, type Entry, type Op, TXN_OPS } from './client.js';
import { type Broken, decodeAssignment, decodeOutcome } from './documents.js';
import { parseAssignment } from './keys.js';
import { turnOf } from './turn.js';
import { iso, type NodeResult, readNodeResult } from './results.js';

/** An assignment in a node's inbox. */
export interface Incoming {
  readonly id: string;
  readonly no: number;
  readonly assignment: Assignment;
  /** The key's raw value, which a lock must write again. */
  readonly value: string;
  readonly index: number;
  readonly createIndex: number;
  /** The session that holds it. */
  readonly session?: string;
}

/** What an assignment says; `runIndex` absent: it is written in one transaction with the run. */
export function assignmentValue(
  run: Run,
  spec: StepSpec,
  release: Release,
  runIndex: number | undefined,
): string {
  const assignment: Assignment = {
    version: 1,
    event: run.event,
    pattern: spec.pattern,
    task: spec.task,
    attempt: release.attempt,
    ...(runIndex === undefined ? {} : { runIndex }),
    of: run.step.targets.length,
    ...(lastCounts(spec) ? { lastCounts: true } : {}),
    ...(run.payload !== '' || Object.keys(run.data).length > 0 ? { hasData: true } : {}),
    ...(spec.timeout === undefined ? {} : { timeout: spec.timeout }),
    grace: spec.grace,
    lostGrace: spec.lostGrace,
    ...(spec.retries === undefined ? {} : { retries: spec.retries }),
    ...(spec.retryDelay === undefined ? {} : { retryDelay: spec.retryDelay }),
    ...(spec.retryBackoff === undefined ? {} : { retryBackoff: spec.retryBackoff }),
    ...(spec.successCodes === undefined ? {} : { successCodes: spec.successCodes }),
    ...(spec.when?.variables === undefined ? {} : { variables: spec.when.variables }),
  };
  return JSON.stringify(assignment);
}

/** Without the outcome check an assignment just finished would be made again, and run twice. */
export function assignmentOps(
  client: Client,
  run: Run,
  spec: StepSpec,
  release: Release,
  value: string,
): Op[] {
  const outcome = client.keys.outcome(run.id, spec.no, release.node);
  return [
    release.outcomeIndex === undefined
      ? { verb: 'check-not-exists', key: outcome }
      : { verb: 'check-index', key: outcome, index: release.outcomeIndex },
    { verb: 'cas', key: client.keys.assignment(release.node, run.id, spec.no), value, index: 0 },
  ];
}

/** At most this many targets in one transaction: one check of the run, two operations each. */
const ASSIGN_AT_ONCE = Math.floor((TXN_OPS - 1) / 2);

/**
 * Makes inbox keys, at most 31 in a transaction: check-index of the run · for each target the outcome
 * check and cas 0 of its key. Targets that have their key or their outcome already are passed over.
 * False: the run has changed.
 */
export async function assign(
  client: Client,
  run: Run,
  runIndex: number,
  releases: readonly Release[],
): Promise<boolean> {
  const spec = run.steps[run.current];
  if (spec === undefined) return false;
  for (let at = 0; at < releases.length; at += ASSIGN_AT_ONCE) {
    let chunk = releases.slice(at, at + ASSIGN_AT_ONCE);
    while (chunk.length > 0) {
      const result = await client.txn([
        { verb: 'check-index', key: client.keys.run(run.id), index: runIndex },
        ...chunk.flatMap((release) =>
          assignmentOps(client, run, spec, release, assignmentValue(run, spec, release, runIndex)),
        ),
      ]);
      if (result.ok) break;
      if (result.failed.includes(0)) return false;
      const passed = new Set(result.failed.map((op) => Math.floor((op - 1) / 2)));
      if (passed.size === 0) return false;
      chunk = chunk.filter((_, index) => !passed.has(index));
    }
  }
  return true;
}

/** A node's inbox, oldest first, whether `.keep` stands in it, and what in it cannot be read. */
export interface Inbox {
  readonly incoming: readonly Incoming[];
  readonly keep?: { readonly value: string; readonly index: number };
  readonly broken: readonly (Broken & { readonly index: number })[];
}

/** There is something that an execute could do: run what nobody holds, or lay down the `.keep`. */
export function wantsExecute(inbox: Inbox): boolean {
  return inbox.keep === undefined || inbox.incoming.some((one) => one.session === undefined);
}

export async function readInbox(client: Client, node: string): Promise<Inbox> {
  return inboxOf(client, node, await client.tree(client.keys.inbox(node), { consistent: true }));
}

export function inboxOf(client: Client, node: string, entries: readonly Entry[]): Inbox {
  const incoming: Incoming[] = [];
  const broken: (Broken & { index: number })[] = [];
  let keep: { value: string; index: number } | undefined;
  for (const entry of entries) {
    if (entry.key === client.keys.keep(node)) {
      keep = { value: entry.value, index: entry.modifyIndex };
      continue;
    }
    const parts = parseAssignment(client.keys, node, entry.key);
    if (parts === undefined) {
      broken.push({ key: entry.key, problem: 'is not an assignment', index: entry.modifyIndex });
      continue;
    }
    const decoded = decodeAssignment(entry);
    if (!decoded.ok) {
      broken.push({ ...decoded.broken, index: entry.modifyIndex });
      continue;
    }
    incoming.push({
      ...parts,
      assignment: decoded.value,
      value: entry.value,
      index: entry.modifyIndex,
      createIndex: entry.createIndex,
      ...(entry.session === undefined ? {} : { session: entry.session }),
    });
  }
  incoming.sort((a, b) => a.createIndex - b.createIndex || a.no - b.no);
  return { incoming, broken, ...(keep === undefined ? {} : { keep }) };
}

/** How the inbox keys of a step's targets look now: index and whether a session holds them. One request for 64 targets. */
export async function readClaims(
  client: Client,
  id: string,
  no: number,
  nodes: readonly string[],
): Promise<Map<string, { index: number; held: boolean }>> {
  const claims = new Map<string, { index: number; held: boolean }>();
  for (let at = 0; at < nodes.length; at += TXN_OPS) {
    const chunk = nodes.slice(at, at + TXN_OPS);
    const byKey = new Map(chunk.map((node) => [client.keys.assignment(node, id, no), node]));
    // get-tree of the exact key: `get` fails the whole transaction when one is missing. It also takes
    // `<id>/10` for `<id>/1`, so the keys are compared.
    for (const entry of await client.snapshot([...byKey.keys()])) {
      const node = byKey.get(entry.key);
      if (node !== undefined)
        claims.set(node, { index: entry.modifyIndex, held: entry.session !== undefined });
    }
  }
  return claims;
}

/** Writes `.keep` (with what the node tells of itself) so that a blocking query on the inbox wakes for this inbox only. */
export async function keepInbox(client: Client, node: string, value: string, index: number): Promise<void> {
  await client.put(client.keys.keep(node), value, { cas: index });
}

/** Everything that names one claim. */
export interface Claim {
  readonly node: string;
  readonly id: string;
  readonly no: number;
  readonly attempt: number;
  readonly session: string;
  /** The inbox key's raw value. */
  readonly value: string;
  readonly startedAt: number;
  /** Its machine is about to reboot, and may be away for so long (ms). */
  readonly reboot?: number;
}

/**
 * Takes an assignment for a session: the run as it was when the step was current and nothing cancelled ·
 * the inbox key as read · no outcome yet (a further attempt: the outcome it follows) · lock · outcome
 * `inprogress` · node result. False: the run went on, or somebody else has it.
 */
export async function claim(
  client: Client,
  claimed: Claim,
  seen: { runIndex: number; inboxIndex: number; outcomeIndex?: number },
): Promise<boolean> {
  const { keys } = client;
  const { id, no, node, session, value } = claimed;
  const outcome = keys.outcome(id, no, node);
  const result = await client.txn([
    { verb: 'check-index', key: keys.run(id), index: seen.runIndex },
    { verb: 'check-index', key: keys.assignment(node, id, no), index: seen.inboxIndex },
    seen.outcomeIndex === undefined
      ? { verb: 'check-not-exists', key: outcome }
      : { verb: 'check-index', key: outcome, index: seen.outcomeIndex },
    { verb: 'lock', key: keys.assignment(node, id, no), value, session },
    { verb: 'set', key: outcome, value: JSON.stringify(atWork(claimed)) },
    {
      verb: 'set',
      key: keys.nodeResult(id, no, node),
      value: JSON.stringify(nodeResult(claimed, 'inprogress')),
    },
  ]);
  return result.ok;
}

/**
 * Takes the claim again with a new session after the old one was lost while the task lives: the inbox key
 * as read (free) · the outcome still the own attempt's · lock. False: it was given away or called lost.
 */
export async function claimAgain(
  client: Client,
  claimed: Claim,
  seen: { inboxIndex: number; outcomeIndex: number },
): Promise<boolean> {
  const { keys } = client;
  const { id, no, node, session, value } = claimed;
  const result = await client.txn([
    { verb: 'check-index', key: keys.assignment(node, id, no), index: seen.inboxIndex },
    { verb: 'check-index', key: keys.outcome(id, no, node), index: seen.outcomeIndex },
    { verb: 'lock', key: keys.assignment(node, id, no), value, session },
  ]);
  return result.ok;
}

/**
 * Says that the target's machine is told to reboot: the session still holds the inbox key · outcome with the
 * mark. May be repeated. False: the claim is not ours any more.
 */
export async function markReboot(client: Client, claimed: Claim, timeout: number): Promise<boolean> {
  const { keys } = client;
  const { id, no, node, session } = claimed;
  const outcome = atWork({ ...claimed, reboot: timeout });
  const result = await client.txn([
    { verb: 'check-session', key: keys.assignment(node, id, no), session },
    { verb: 'set', key: keys.outcome(id, no, node), value: JSON.stringify(outcome) },
  ]);
  return result.ok;
}

function atWork({ attempt, session, reboot }: Claim): Outcome {
  return { attempt, session, status: 'inprogress', ...(reboot === undefined ? {} : { reboot }) };
}

/** How a task ended, as its node says. */
export interface Ending {
  readonly status: Exclude<Outcome['status'], 'inprogress' | 'lost'>;
  readonly finishedAt: number;
  readonly reason?: string;
  readonly exitCode?: number;
  readonly retried?: number;
  /** The log, when it is small enough to travel along. */
  readonly log?: string;
}

/**
 * Hands in the result: the session still holds the inbox key · outcome · node result · inbox key gone.
 * With it come, for nothing, what else is in the inbox, and what tells who looks at the step (`run/looks.ts`): of
 * few targets their outcomes; of many whose turn it was, which becomes ours in the same transaction.
 * Undefined: the claim is not ours any more, and nothing was written.
 *
 * @param of how many targets the step has.
 */
export async function finish(
  client: Client,
  claimed: Claim,
  ending: Ending,
  of = 1,
): Promise<Finish | undefined> {
  const { keys } = client;
  const { id, no, node, session, attempt } = claimed;
  const turn: Turn = { no, phase: 'waiting', by: node };
  const outcome: Outcome = {
    attempt,
    session,
    status: ending.status,
    ...(ending.reason === undefined ? {} : { reason: short(ending.reason) }),
  };
  const result = await client.txn([
    { verb: 'check-session', key: keys.assignment(node, id, no), session },
    { verb: 'set', key: keys.outcome(id, no, node), value: JSON.stringify(outcome) },
    {
      verb: 'set',
      key: keys.nodeResult(id, no, node),
      value: JSON.stringify(
        nodeResult(claimed, ending.status, {
          FinishedAt: iso(ending.finishedAt),
          ...(ending.reason === undefined ? {} : { Reason: ending.reason }),
          ...(ending.exitCode === undefined ? {} : { ExitCode: ending.exitCode }),
          ...(ending.retried ? { Retried: ending.retried } : {}),
        }),
      ),
    },
    ...(ending.log === undefined
      ? []
      : [{ verb: 'set' as const, key: keys.log(id, no, node), value: ending.log }]),
    { verb: 'delete', key: keys.assignment(node, id, no) },
    { verb: 'get-tree', key: keys.inbox(node) },
    ...(of > 1 && of <= NARROW ? [{ verb: 'get-tree' as const, key: keys.step(id, no) }] : []),
    // The former turn is read first. get-tree: a `get` of a missing key would fail the whole.
    ...(of > NARROW
      ? [
          { verb: 'get-tree' as const, key: keys.turn(id) },
          { verb: 'set' as const, key: keys.turn(id), value: JSON.stringify(turn) },
        ]
      : []),
  ]);
  if (!result.ok) return undefined;
  // The answer has an entry for the check of the session too: the key that is gone now, without its value.
  const inbox = result.entries.filter(
    (entry) => entry.key.startsWith(keys.inbox(node)) && entry.key !== keys.assignment(node, id, no),
  );
  // Writing an outcome is answered with its key too, without a value.
  const decoded = result.entries
    .filter((entry) => entry.key.startsWith(keys.step(id, no)) && entry.value !== '')
    .map(decodeOutcome);
  const outcomes = decoded.flatMap((one) => (one.ok ? [one.value] : []));
  const known = of > 1 && of <= NARROW && outcomes.length === decoded.length;
  const former = turnOf(result.entries.find((entry) => entry.key === keys.turn(id)));
  return {
    ...(known ? { outcomes } : {}),
    ...(former === undefined ? {} : { turn: former }),
    inbox: inboxOf(client, node, inbox),
  };
}

/** What a finish transaction saw, at its instant. */
export interface Finish {
  /** Those of the step's targets that have begun; only where the step has few, and all can be read. */
  readonly outcomes?: readonly Outcome[];
  /** Whose turn it was; only where the step has many. */
  readonly turn?: Turn;
  /** The node's inbox without what was finished; absent when the answer never came and another call told. */
  readonly inbox?: Inbox;
}

/**
 * Writes an outcome in a target's stead (lost, unreachable, cancelled before it began): the run unchanged ·
 * the inbox key as seen (unheld) · cas of the outcome · node result · inbox key gone.
 * False: something changed; look again.
 */
export async function settle(
  client: Client,
  run: Run,
  runIndex: number,
  settlement: Settlement,
  now: number,
): Promise<boolean> {
  const { keys } = client;
  const { node, status, reason, attempt, outcomeIndex, inboxIndex } = settlement;
  const no = run.current;
  const inbox = keys.assignment(node, run.id, no);
  const outcome: Outcome = {
    attempt,
    session: '',
    status,
    reason,
    ...(settlement.unreachable ? { unreachable: true } : {}),
  };
  // What the node wrote itself (when it started) is kept.
  const before = outcomeIndex === 0 ? undefined : await readNodeResult(client, run.id, no, node);
  const result: NodeResult = {
    EventID: run.id,
    No: no,
    Node: node,
    ...before,
    Status: status === 'lost' ? 'error' : status,
    FinishedAt: iso(now),
    Attempt: attempt,
    Reason: reason,
  };
  const done = await client.txn([
    { verb: 'check-index', key: keys.run(run.id), index: runIndex },
    inboxIndex === undefined
      ? { verb: 'check-not-exists', key: inbox }
      : { verb: 'check-index', key: inbox, index: inboxIndex },
    { verb: 'cas', key: keys.outcome(run.id, no, node), value: JSON.stringify(outcome), index: outcomeIndex },
    { verb: 'set', key: keys.nodeResult(run.id, no, node), value: JSON.stringify(result) },
    ...(inboxIndex === undefined ? [] : [{ verb: 'delete' as const, key: inbox }]),
  ]);
  return done.ok;
}

/** Removes an assignment whose run is over: the key as read, the run gone. False: something changed. */
export async function discard(
  client: Client,
  node: string,
  incoming: Pick<Incoming, 'id' | 'no' | 'index'>,
): Promise<boolean> {
  const key = client.keys.assignment(node, incoming.id, incoming.no);
  const result = await client.txn([
    { verb: 'check-index', key, index: incoming.index },
    { verb: 'check-not-exists', key: client.keys.run(incoming.id) },
    { verb: 'delete', key },
  ]);
  return result.ok;
}

function nodeResult(
  claimed: Claim,
  status: NodeResult['Status'],
  more: Partial<NodeResult> = {},
): NodeResult {
  return {
    EventID: claimed.id,
    No: claimed.no,
    Node: claimed.node,
    Status: status,
    StartedAt: iso(claimed.startedAt),
    ...(claimed.attempt > 1 ? { Attempt: claimed.attempt } : {}),
    ...more,
  };
}

/** Dispatch reads the outcomes of a whole step: a reason in it is kept short, the node result has it whole. */
function short(reason: string): string {
  return reason.length <= 200 ? reason : `${reason.slice(0, 199)}…`;
}
