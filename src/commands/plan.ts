import { filesOf } from '../../handlers/files.js';
import { EXIT, type ExitCode } from '../errors.js';
import { batchesOf, compare, inOrder, quorumOf } from '../run/batches.js';
import { definitionsOf, plan } from '../run/plan.js';
import { nodeCondition } from '../run/targets.js';
import { duration } from '../run/time.js';
import type { Candidate, StepSpec } from '../run/types.js';
import { list, where } from '../run/view.js';
import type { Place, Schedule } from '../schedule/types.js';
import { candidates, passing } from '../store/catalog.js';
import { type PublishedFiles, readFiles } from '../store/files.js';
import { below, type Cell, table } from './columns.js';
import { definedHere } from './fire.js';
import { paint } from './paint.js';
import { placeOf, type ShowStyle } from './show-event.js';
import { styleOf } from './status.js';
import type { Invocation } from './types.js';

interface PlannedNode {
  readonly Node: string;
  /** Its agent is up and the checks of the step's service on it pass. */
  readonly Healthy: boolean;
  /** Why the step leaves it out. */
  readonly Skipped?: string;
  /** What is wrong with its copy of the step's schedule file, as it published it; unknown: it published nothing. */
  readonly File?: 'missing' | 'different' | 'unknown';
}

interface PlannedStep {
  readonly No: number;
  readonly Name: string;
  readonly Section: string;
  readonly Pattern: string;
  readonly Service?: string;
  readonly Tag?: string;
  /** file:line */
  readonly Place: string;
  readonly Nodes: readonly PlannedNode[];
  /** Sizes of the batches, where there are several. */
  readonly Batches?: readonly number[];
  /** What would hold, skip or fail the step if it started now. */
  readonly Notes: readonly string[];
}

/** What would run where if the event started now, by this node's files and the catalog; nothing is written. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, config, flags, io } = invocation;
  const name = args[0] as string;
  const context = invocation.context();
  const { client } = context;
  const schedules = await definedHere(context, name);
  const specs = plan(schedules, name, config.skippable) ?? [];
  const places = placesOf(schedules, name);
  const lookups = new Map<string, Promise<Candidate[]>>();
  for (const spec of specs) {
    const key = keyOf(spec);
    if (!lookups.has(key))
      lookups.set(
        key,
        candidates(client, spec, (text) => context.log.warn(text)),
      );
  }
  const found = new Map<string, Candidate[]>();
  for (const [key, lookup] of lookups) found.set(key, await lookup);
  const everyone = new Set([...found.values()].flat().map((one) => one.node));
  const published = await readFiles(client, [...everyone]);
  const own = filesOf(config.files).Patterns;
  const steps: PlannedStep[] = [];
  for (const spec of specs) {
    const gates = await Promise.all(
      (spec.waitFor ?? []).map((gate) => passing(client, gate.service, gate.tag)),
    );
    const nodes = nodesOf(spec, found.get(keyOf(spec)) ?? [], own[spec.pattern], published);
    steps.push(stepOf(spec, nodes, gates, places[spec.no]));
  }
  if (flags.json === true) io.out(`${JSON.stringify({ event: name, steps }, null, 2)}\n`);
  else for (const line of show(name, steps, styleOf(invocation))) io.out(`${line}\n`);
  return EXIT.done;
}

function keyOf(spec: StepSpec): string {
  return JSON.stringify([spec.service, spec.tag]);
}

/** Where each step is written, by its number: as `plan` numbers them. */
function placesOf(schedules: readonly Schedule[], event: string): Place[] {
  const definitions = definitionsOf(schedules, event).map((one) => one.definition);
  return (['steps', 'rescue', 'always'] as const).flatMap((section) =>
    definitions.flatMap((definition) => definition[section].map((step) => step.place)),
  );
}

function nodesOf(
  spec: StepSpec,
  found: readonly Candidate[],
  hash: string | undefined,
  published: ReadonlyMap<string, PublishedFiles>,
): PlannedNode[] {
  const byName = new Map(found.map((candidate) => [candidate.node, candidate]));
  return inOrder([...byName.keys()], spec, '').map((node) => {
    const candidate = byName.get(node) as Candidate;
    const skipped = nodeCondition(spec, candidate);
    const file = fileOf(published.get(node)?.Patterns[spec.pattern], published.has(node), hash);
    return {
      Node: node,
      Healthy: candidate.alive && candidate.passing,
      ...(skipped === undefined ? {} : { Skipped: skipped }),
      ...(file === undefined ? {} : { File: file }),
    };
  });
}

function fileOf(theirs: string | undefined, told: boolean, own: string | undefined): PlannedNode['File'] {
  if (!told) return 'unknown';
  if (theirs === undefined) return 'missing';
  return theirs === own ? undefined : 'different';
}

function stepOf(
  spec: StepSpec,
  nodes: readonly PlannedNode[],
  gates: readonly { readonly passing: number; readonly all: number }[],
  place: Place | undefined,
): PlannedStep {
  const pool = nodes.filter((node) => node.Skipped === undefined);
  const batches = batchesOf(
    spec,
    pool.map((node) => node.Node),
    '',
  ).map((batch) => batch.length);
  return {
    No: spec.no,
    Name: spec.task,
    Section: spec.section,
    Pattern: spec.pattern,
    ...(spec.service === undefined ? {} : { Service: spec.service }),
    ...(spec.tag === undefined ? {} : { Tag: spec.tag }),
    Place: place === undefined ? '' : `${place.file}:${place.line}`,
    Nodes: nodes,
    ...(batches.length > 1 || spec.runOnce ? { Batches: batches } : {}),
    Notes: notesOf(spec, nodes, pool, gates),
  };
}

/** In the order in which an operator would want to know. */
function notesOf(
  spec: StepSpec,
  nodes: readonly PlannedNode[],
  pool: readonly PlannedNode[],
  gates: readonly { readonly passing: number; readonly all: number }[],
): string[] {
  const notes: string[] = [];
  const named = (some: readonly PlannedNode[]) => list(some.map((node) => node.Node));
  const verb = (some: readonly unknown[], one: string, many: string) => (some.length === 1 ? one : many);
  if (pool.length === 0 && nodes.length > 0)
    notes.push(`would be skipped: ${nodes[0]?.Skipped ?? 'its condition leaves out every node'}`);
  if (nodes.length === 0)
    notes.push(
      `no node has ${where(spec)}: would wait ${duration(spec.startTimeout)}, then ${spec.skippable ? 'be skipped' : 'time out'}`,
    );
  const sick = pool.filter((node) => !node.Healthy);
  if (sick.length > 0) notes.push(`${named(sick)} ${verb(sick, 'is', 'are')} not healthy`);
  for (const [file, words] of FILE_WORDS) {
    const some = pool.filter((node) => node.File === file);
    if (some.length > 0) notes.push(words(named(some), some.length === 1, spec.pattern));
  }
  const left = nodes.filter((node) => node.Skipped !== undefined);
  if (left.length > 0 && pool.length > 0)
    notes.push(`${named(left)} left out: ${[...new Set(left.map((node) => node.Skipped))].join('; ')}`);
  for (const [at, gate] of (spec.waitFor ?? []).entries()) {
    const seen = gates[at] ?? { passing: 0, all: 0 };
    const needed = gate.passing === 'all' ? Math.max(1, seen.all) : gate.passing;
    if (seen.passing < needed)
      notes.push(`waits for ${needed} passing of ${where(gate)}: ${seen.passing} now`);
  }
  const healthy = pool.length - sick.length;
  if (spec.quorum !== undefined && pool.length > 0 && healthy < quorumOf(spec.quorum, pool.length))
    notes.push(`its quorum is ${quorumOf(spec.quorum, pool.length)} of ${pool.length} nodes: ${healthy} now`);
  if (spec.approve) notes.push('waits for metronome approve');
  if (spec.when?.steps !== undefined)
    notes.push(
      `only when ${Object.entries(spec.when.steps)
        .map(([task, statuses]) => `${task} ended ${statuses.join(' or ')}`)
        .join(' and ')}`,
    );
  if (spec.when?.variables !== undefined)
    notes.push(
      `each node looks at its own variables ${Object.keys(spec.when.variables).sort(compare).join(', ')}`,
    );
  return notes;
}

const FILE_WORDS: readonly [PlannedNode['File'], (names: string, one: boolean, pattern: string) => string][] =
  [
    [
      'missing',
      (names, one, pattern) =>
        `${names} ${one ? 'has' : 'have'} no schedule file ${pattern}: the task would fail there`,
    ],
    [
      'different',
      (names, one, pattern) => `${names} ${one ? 'has' : 'have'} another version of schedule file ${pattern}`,
    ],
    [
      'unknown',
      (names, one) =>
        `${names} ${one ? 'has' : 'have'} not told of any schedule file (no metronome execute has run there)`,
    ],
  ];

function show(event: string, steps: readonly PlannedStep[], style: ShowStyle): string[] {
  const lines = [
    `${paint(event, 'bold', style.colour)}: ${steps.length} ${steps.length === 1 ? 'step' : 'steps'}`,
  ];
  const folder = commonFolder(steps.map((step) => step.Place));
  if (folder !== '') lines.push(...below({ text: `files in ${folder}`, tone: 'dim' }, style, 2));
  lines.push(
    '',
    ...table(
      [
        { head: 'STEP', right: true },
        { head: 'TASK', wraps: 12 },
        { head: 'ON', wraps: 10 },
        { head: 'FILE', wraps: 12 },
        { head: 'NODES' },
      ],
      steps.map((step): (Cell | string)[] => [
        String(step.No),
        step.Section === 'main' ? step.Name : `${step.Name} (${step.Section})`,
        placeOf(step),
        step.Place.slice(folder.length),
        nodesText(step, style.nodes),
      ]),
      style,
      (at) =>
        (steps[at]?.Notes ?? []).flatMap((note) => below({ text: `! ${note}`, tone: 'warn' }, style, 6)),
    ),
  );
  return lines;
}

function nodesText(step: PlannedStep, all: boolean): string {
  const names = step.Nodes.filter((node) => node.Skipped === undefined).map((node) => node.Node);
  const shown =
    all || names.length <= 8
      ? names.join(', ')
      : `${names.slice(0, 6).join(', ')} and ${names.length - 6} more`;
  const batches =
    step.Batches === undefined
      ? ''
      : ` (${step.Batches.length === 1 ? `${step.Batches[0]} of them` : `in batches of ${batchesText(step.Batches)}`})`;
  return names.length === 0 ? 'none' : shown + batches;
}

/** `1, 2, 2` or, of many, `1, 5 …`. */
function batchesText(batches: readonly number[]): string {
  return batches.length <= 6
    ? batches.join(', ')
    : `${batches.slice(0, 4).join(', ')} … (${batches.length} batches)`;
}

/** The folder, with its slash, in which all the files lie. */
function commonFolder(places: readonly string[]): string {
  const folders = places.map((place) => place.slice(0, place.lastIndexOf('/') + 1));
  let common = folders[0] ?? '';
  for (const folder of folders) {
    while (!folder.startsWith(common)) common = common.slice(0, common.slice(0, -1).lastIndexOf('/') + 1);
  }
  return common;
}
