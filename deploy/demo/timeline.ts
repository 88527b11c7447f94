/** When a node's task ran, as its own script noted it. All nodes are on one machine here, and share its clock. */
export interface Span {
  readonly node: string;
  readonly task: string;
  /** ms */
  readonly start: number;
  readonly end: number;
}

/** One line of configured.log: event id, task, start or end, ms. */
const LINE = /^(\S+) (\S+) (start|end) (\d+)/;

export interface NodeRecord {
  readonly node: string;
  readonly text: string;
}

/** What the nodes noted for this event, and what does not add up: a start without its end, a task run twice. */
export function spansOf(
  records: readonly NodeRecord[],
  eventId: string,
): { spans: Span[]; problems: string[] } {
  const spans: Span[] = [];
  const problems: string[] = [];
  for (const { node, text } of records) {
    const notes = text
      .split('\n')
      .map((line) => LINE.exec(line))
      .filter((match) => match !== null && match[1] === eventId);
    const task = notes[0]?.[2] ?? '';
    const at = (what: string) =>
      notes.filter((match) => match?.[3] === what).map((match) => Number(match?.[4]));
    const [starts, ends] = [at('start'), at('end')];
    const [start, end] = [starts[0], ends[0]];
    if (start === undefined) problems.push(`${node} did not run`);
    else if (end === undefined) problems.push(`${node} started ${task} and did not finish it`);
    else spans.push({ node, task, start, end });
    if (starts.length > 1) problems.push(`${node} ran ${starts.length} times`);
  }
  return { spans, problems };
}

/** A tier is nodes that may run side by side; each tier must have ended before the next one starts. */
export interface Tier {
  readonly what: string;
  readonly nodes: readonly string[];
}

export function orderProblems(tiers: readonly Tier[], spans: readonly Span[]): string[] {
  const problems: string[] = [];
  const of = (tier: Tier) => spans.filter(({ node }) => tier.nodes.includes(node));
  tiers.forEach((tier, index) => {
    for (const before of tiers.slice(0, index).flatMap(of)) {
      for (const span of of(tier)) {
        if (span.start < before.end) {
          problems.push(`${span.node} started ${before.end - span.start} ms before ${before.node} had ended`);
        }
      }
    }
  });
  return problems;
}

/** A bar for each node, on one scale. */
export function drawTimeline(spans: readonly Span[], from: number, width = 44): string[] {
  const until = Math.max(...spans.map(({ end }) => end));
  const column = (time: number) => Math.round(((time - from) / Math.max(until - from, 1)) * width);
  const longest = Math.max(...spans.map(({ node }) => node.length));
  return spans.map(({ node, task, start, end }) => {
    const first = column(start);
    const length = Math.max(column(end) - first, 1);
    const bar = '·'.repeat(first) + '█'.repeat(length) + '·'.repeat(Math.max(width - first - length, 0));
    const seconds = (time: number) => ((time - from) / 1000).toFixed(2);
    return `${node.padEnd(longest)}  ${bar}  ${seconds(start)} – ${seconds(end)} s  ${task}`;
  });
}
