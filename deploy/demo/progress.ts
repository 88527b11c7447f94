import type { KvEntry } from '../../test/support/api.js';

/** What Consul's key/value store says about the run now, from `results/<id>…`: what any other tool could read too. */
export interface Progress {
  readonly status: string | undefined;
  readonly reason: string | undefined;
  readonly nodes: ReadonlyMap<string, NodeProgress>;
}

export interface NodeProgress {
  readonly step: number;
  readonly task: string;
  readonly status: string;
}

interface Result {
  readonly Status?: string;
  readonly Name?: string;
  readonly Reason?: string;
}

export function readProgress(entries: readonly KvEntry[], prefix: string, id: string): Progress {
  const results = new Map<string, Result>();
  for (const { key, value } of entries) {
    if (!key.endsWith('/log')) results.set(key.slice(prefix.length), JSON.parse(value) as Result);
  }
  const nodes = new Map<string, NodeProgress>();
  for (const [key, { Status = '?' }] of results) {
    const [, event, step, node] = key.split('/');
    if (event !== id || step === undefined || node === undefined) continue;
    const task = results.get(`results/${id}/${step}`)?.Name ?? '';
    nodes.set(node, { step: Number(step), task, status: Status });
  }
  const run = results.get(`results/${id}`);
  return { status: run?.Status, reason: run?.Reason, nodes };
}

export interface Row {
  readonly node: string;
  readonly role: string;
}

/** Shows progress as it comes: a table drawn over itself on a terminal, else a line for each change. */
export class Display {
  readonly #rows: readonly Row[];
  readonly #out: NodeJS.WriteStream;
  readonly #start: number;
  readonly #seen = new Map<string, { status: string; since: number; took?: number }>();
  #drawn = 0;

  constructor(rows: readonly Row[], out: NodeJS.WriteStream, now: number) {
    this.#rows = rows;
    this.#out = out;
    this.#start = now;
  }

  show(progress: Progress, now: number): void {
    for (const { node, role } of this.#rows) {
      const status = progress.nodes.get(node)?.status;
      const former = this.#seen.get(node);
      if (status === undefined || former?.status === status) continue;
      const took = former === undefined || status === 'inprogress' ? undefined : now - former.since;
      this.#seen.set(node, { status, since: now, ...(took === undefined ? {} : { took }) });
      if (!this.#out.isTTY) {
        const task = progress.nodes.get(node)?.task ?? '';
        const word = status === 'inprogress' ? 'starts' : `ends: ${status}`;
        const time = ((now - this.#start) / 1000).toFixed(2).padStart(6);
        this.#out.write(`${time} s  ${node.padEnd(5)} ${role.padEnd(18)} ${task} ${word}\n`);
      }
    }
    if (this.#out.isTTY) this.#draw(progress, now);
  }

  #draw(progress: Progress, now: number): void {
    const lines = this.#rows.map(({ node, role }) => {
      const seen = this.#seen.get(node);
      const task = progress.nodes.get(node)?.task ?? '';
      return `  ${node.padEnd(5)}  ${role.padEnd(18)}  ${task.padEnd(24)}  ${state(seen, now)}`;
    });
    const text = [
      `  ${'node'.padEnd(5)}  ${'service'.padEnd(18)}  ${'task'.padEnd(24)}  ${((now - this.#start) / 1000).toFixed(1)} s`,
      ...lines,
    ];
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    this.#out.write(`${up}${text.map((line) => `\u001b[2K${line}\n`).join('')}`);
    this.#drawn = text.length;
  }
}

function state(seen: { status: string; since: number; took?: number } | undefined, now: number): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  if (seen === undefined) return '\u001b[2mwaits\u001b[0m';
  if (seen.status === 'inprogress') return `\u001b[33mruns\u001b[0m  ${seconds(now - seen.since)}`;
  const colour = seen.status === 'success' ? 32 : 31;
  return `\u001b[${colour}m${seen.status}\u001b[0m  ${seen.took === undefined ? '' : seconds(seen.took)}`;
}
