import type { ScalePoint } from './scale.js';

const [WIDTH, HEIGHT] = [480, 260];
const [LEFT, RIGHT, TOP, BOTTOM] = [66, 30, 34, 44];

/** Time per step over the number of nodes, both axes logarithmic, with the requests per target, as a small SVG. */
export function plot(points: readonly ScalePoint[]): string {
  const most = Math.max(3, Math.ceil(Math.log10(Math.max(...points.map((point) => point.msPerStep)))));
  const x = (nodes: number) => LEFT + ((Math.log10(nodes) - 1) / 2) * (WIDTH - LEFT - RIGHT);
  const y = (ms: number) => HEIGHT - BOTTOM - ((Math.log10(ms) - 1) / (most - 1)) * (HEIGHT - TOP - BOTTOM);
  const text = (atX: number, atY: number, anchor: string, words: string) =>
    `<text x="${atX.toFixed(1)}" y="${atY.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
  const grid = Array.from({ length: most }, (_, at) => 10 ** (at + 1)).map(
    (ms) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(ms).toFixed(1)}" y2="${y(ms).toFixed(1)}" stroke="#ddd"/>` +
      text(LEFT - 6, y(ms) + 4, 'end', `${ms} ms`),
  );
  const line = points
    .map((point) => `${x(point.nodes).toFixed(1)},${y(point.msPerStep).toFixed(1)}`)
    .join(' ');
  const labels = points.map(
    ({ nodes, msPerStep, requestsPerTarget }) =>
      `<circle cx="${x(nodes).toFixed(1)}" cy="${y(msPerStep).toFixed(1)}" r="3"/>` +
      text(
        x(nodes),
        // Below the line that rises to it.
        y(msPerStep) + (nodes === 10 ? 18 : 40),
        nodes === 10 ? 'start' : nodes === 1000 ? 'end' : 'middle',
        `${msPerStep.toFixed(0)} ms, ${requestsPerTarget.toFixed(2)} requests a target`,
      ) +
      text(x(nodes), HEIGHT - BOTTOM + 16, 'middle', String(nodes)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">
<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>
<g fill="#111">${grid.join('')}</g>
<polyline points="${line}" fill="none" stroke="#2563eb" stroke-width="2"/>
<g fill="#111">${labels.join('')}${text(WIDTH / 2, HEIGHT - 8, 'middle', 'nodes')}${text(8, 16, 'start', 'time of a step over all nodes')}</g>
</svg>
`;
}
