/**
 * A few nodes of a cluster with a schedule of three steps, two targets in the middle, and what must hold
 * of it whatever happens. Each task notes its start and its end in one file that all nodes append to.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, createContext } from '../../handlers/context.js';
import { tick } from '../../handlers/tick.js';
import { createLogger, type Logger, silent } from '../../src/log.js';
import { openClient } from '../../src/store/client.js';
import type { Config } from '../../src/config.js';
import { type Address, consulApi, freshName, registerService } from '../support/cluster.js';
import { testConfig } from '../support/config.js';
import { type MetronomeOptions, type RunningMetronome, startMetronome } from '../support/metronome.js';

interface Teardown {
  teardown(clean: () => Promise<void> | void): void;
}

export interface WorldOptions {
  /** Three nodes: step 0 runs on the first, step 1 on the second and third, step 2 on the first. */
  readonly nodes: readonly [Address, Address, Address];
  /** Through whose agent the test itself looks; default the first node's. */
  readonly by?: Address;
  /** Text below `default.step`, two spaces deeper, e.g. `lost_grace: 300ms`. */
  readonly step?: readonly string[];
  /** What the tasks do between noting start and end; shell. */
  readonly work?: string;
  /** Services to use; made and registered when absent. */
  readonly services?: Services;
  /** Further events and tasks, as they stand in the file, two spaces deep. */
  readonly more?: string;
  readonly moreTasks?: string;
}

export interface Services {
  readonly first: string;
  readonly middle: string;
  readonly last: string;
}

/** Services on the three nodes by which the steps find them; may be shared by many worlds. */
export async function registerServices(nodes: WorldOptions['nodes']): Promise<Services> {
  const services = { first: freshName('db'), middle: freshName('app'), last: freshName('lb') };
  await registerService(nodes[0], { name: services.first });
  await registerService(nodes[0], { name: services.last });
  await registerService(nodes[1], { name: services.middle });
  await registerService(nodes[2], { name: services.middle });
  return services;
}

/** One line of the file of notes. */
export interface Note {
  readonly id: string;
  readonly step: number;
  readonly node: string;
  readonly what: 'start' | 'end';
}

export class World {
  readonly prefix = `${freshName('w')}/`;
  readonly folder = mkdtempSync(join(tmpdir(), 'metronome-fault-'));
  readonly nodes: WorldOptions['nodes'];
  /** Lines that handlers in this process logged. */
  readonly lines: string[] = [];
  readonly #by: Address;
  readonly #contexts = new Map<string, Context>();

  constructor(t: Teardown, options: WorldOptions & { services: Services }) {
    this.nodes = options.nodes;
    this.#by = options.by ?? options.nodes[0];
    chmodSync(this.folder, 0o755);
    mkdirSync(join(this.folder, 'pattern'));
    writeFileSync(this.notes, '');
    writeFileSync(this.schedule, scheduleText(options, this.notes));
    t.teardown(async () => {
      for (const context of this.#contexts.values()) context.client.close();
      await this.api.kvDeleteTree(this.prefix).catch(() => {});
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  get schedule(): string {
    return join(this.folder, 'pattern/task.yml');
  }
  get notes(): string {
    return join(this.folder, 'notes');
  }
  stateDir(node: Address): string {
    return join(this.folder, `state-${node.name}`);
  }
  get api() {
    return consulApi(this.#by);
  }

  /** A context in this process. `own` replaces settings and makes it a new one. */
  context(node: Address, own?: Partial<Config>, more: { now?: () => number; log?: Logger } = {}): Context {
    const known = this.#contexts.get(node.name);
    if (own === undefined && known !== undefined) return known;
    const config = testConfig(node, {
      prefix: this.prefix,
      stateDir: this.stateDir(node),
      files: [this.schedule],
      node: node.name,
      ...own,
    });
    const log =
      more.log ??
      createLogger({
        format: 'text',
        debug: true,
        secrets: [],
        now: () => new Date(),
        write: (line) => void this.lines.push(`${node.name} ${line}`),
      });
    const made = createContext({
      config,
      client: openClient(config),
      log,
      signal: new AbortController().signal,
      ...(more.now === undefined ? {} : { now: more.now }),
    });
    this.#contexts.set(own === undefined ? node.name : freshName(), made);
    return made;
  }

  /** A real process of this world; through `by` (a proxy) when given. */
  start(
    node: Address,
    args: readonly string[],
    options: MetronomeOptions & { by?: Address } = {},
  ): RunningMetronome {
    const { by = node, ...rest } = options;
    return startMetronome(by, args, {
      prefix: this.prefix,
      stateDir: this.stateDir(node),
      files: [this.schedule],
      ...rest,
    });
  }

  /** What a Consul event watch hands over. */
  input(...ids: readonly string[]): string {
    return JSON.stringify(
      ids.map((ID, at) => ({ ID, Name: 'deploy', Payload: null, LTime: at + 1, Version: 1 })),
    );
  }

  /** Plain ticks on all nodes until all these events have ended and nothing of them is left. */
  async settle(ids: readonly string[], limit = 60_000): Promise<void> {
    const start = performance.now();
    for (;;) {
      await Promise.all(this.nodes.map((node) => tick(this.context(node))));
      const open = await this.open(ids);
      if (open.length === 0) return;
      if (performance.now() - start > limit)
        throw new Error(
          `not settled after ${limit / 1000} s: ${open.join('; ')}\n${this.lines.slice(-40).join('\n')}`,
        );
      await sleep(50);
    }
  }

  /** What keeps these events from being over: a status, or a key that should be gone. */
  async open(ids: readonly string[]): Promise<string[]> {
    const texts = await this.api.kvTexts(this.prefix);
    const open: string[] = [];
    for (const id of ids) {
      const status = statusOf(texts[`results/${id}`]);
      if (status === undefined || status === 'inprogress') open.push(`${id} is ${status ?? 'unknown'}`);
    }
    for (const key of Object.keys(texts)) {
      if (/^(results|schedules)\//.test(key) || /^inbox\/[^/]+\/\.keep$/.test(key)) continue;
      open.push(`${key} stands`);
    }
    return open;
  }

  async status(id: string): Promise<string | undefined> {
    return statusOf((await this.api.kvGet(`${this.prefix}results/${id}`))?.value);
  }

  async result(path: string): Promise<Record<string, unknown> | undefined> {
    const entry = await this.api.kvGet(`${this.prefix}results/${path}`);
    return entry === null ? undefined : (JSON.parse(entry.value) as Record<string, unknown>);
  }

  noted(): Note[] {
    if (!existsSync(this.notes)) return [];
    return readFileSync(this.notes, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [id = '', step, node = '', what] = line.split(' ');
        return { id, step: Number(step), node, what: what as Note['what'] };
      });
  }

  /**
   * What is wrong with what ran: an operation twice on a node, a step before its predecessor was over, a
   * step after one that failed, an event that says success and did not run everything. Empty: all is well.
   * `attempts` is how often a node may start a step (more than once only where a schedule asks for it).
   */
  async faults(ids: readonly string[], attempts = 1): Promise<string[]> {
    const faults: string[] = [];
    const noted = this.noted();
    for (const id of ids) {
      const own = noted.filter((note) => note.id === id);
      const starts = own.filter((note) => note.what === 'start');
      const perTarget = new Map<string, number>();
      for (const { step, node } of starts) {
        const target = `${step} on ${node}`;
        perTarget.set(target, (perTarget.get(target) ?? 0) + 1);
      }
      for (const [target, times] of perTarget)
        if (times > attempts) faults.push(`TWICE: ${id} step ${target} started ${times} times`);
      let highest = 0;
      for (const note of own) {
        if (note.step < highest)
          faults.push(
            `ORDER: ${id} step ${note.step} ${note.what} on ${note.node} after step ${highest} began`,
          );
        highest = Math.max(highest, note.step);
      }
      const status = await this.status(id);
      if (status === undefined || status === 'inprogress')
        faults.push(`LOST: ${id} is ${status ?? 'unknown'}`);
      if (status === 'success' && perTarget.size !== 4)
        faults.push(`LOST: ${id} says success, and ${perTarget.size} of 4 targets ran`);
      const unended = own.length - 2 * own.filter((note) => note.what === 'end').length;
      if (status === 'success' && unended !== 0)
        faults.push(`LOST: ${id} says success, and ${unended} did not end`);
    }
    const known = new Set(ids);
    for (const { id } of noted) if (!known.has(id)) faults.push(`UNKNOWN: ${id} ran`);
    return faults;
  }
}

export async function makeWorld(t: Teardown, options: WorldOptions): Promise<World> {
  const services = options.services ?? (await registerServices(options.nodes));
  return new World(t, { ...options, services });
}

function statusOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  return (JSON.parse(value) as { Status?: string }).Status;
}

function scheduleText(
  {
    services,
    step = ['lost_grace: 200ms'],
    work = 'sleep 0.02',
    more = '',
    moreTasks = '',
  }: WorldOptions & { services: Services },
  notes: string,
): string {
  const note = (what: string) =>
    `echo "$METRONOME_EVENT_ID $METRONOME_STEP $METRONOME_NODE ${what}" >>'${notes}'`;
  return `default:
  timeout: 900
  step:
${step.map((line) => `    ${line}`).join('\n')}
events:
  deploy:
    ordered_tasks:
      - {service: ${services.first}, task: work}
      - {service: ${services.middle}, task: work}
      - {service: ${services.last}, task: work}
${more}
tasks:
${moreTasks}
  work:
    operations:
      - execute:
          script: |
            ${note('start')}
${work
  .split('\n')
  .map((line) => `            ${line}`)
  .join('\n')}
            ${note('end')}
`;
}

export { silent };
