import type { ScalePoint } from './scale.js';

/** Time per step and requests per target over the number of nodes, both axes logarithmic, as a small SVG. */
export function plot(points: readonly ScalePoint[]): string {
  const [width, height, left, top] = [420, 240, 60, 20];
  const x = (nodes: number) => left + ((Math.log10(nodes) - 1) / 2) * (width - left - 20);
  const most = Math.max(...points.map((point) => point.msPerStep), 10);
  const y = (ms: number) =>
    height - 40 - (Math.log10(Math.max(1, ms)) / Math.log10(most)) * (height - 40 - top);
  const line = points
    .map((point) => `${x(point.nodes).toFixed(1)},${y(point.msPerStep).toFixed(1)}`)
    .join(' ');
  const labels = points.map(
    (point) =>
      `<circle cx="${x(point.nodes).toFixed(1)}" cy="${y(point.msPerStep).toFixed(1)}" r="3"/>` +
      `<text x="${x(point.nodes).toFixed(1)}" y="${(y(point.msPerStep) - 8).toFixed(1)}" text-anchor="middle">${point.msPerStep.toFixed(0)} ms, ${point.requestsPerTarget.toFixed(1)} req</text>` +
      `<text x="${x(point.nodes).toFixed(1)}" y="${height - 22}" text-anchor="middle">${point.nodes}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<rect width="${width}" height="${height}" fill="white"/>
<polyline points="${line}" fill="none" stroke="#2563eb" stroke-width="2"/>
<g fill="#111">${labels.join('')}<text x="${width / 2}" y="${height - 6}" text-anchor="middle">nodes</text><text x="6" y="14">time per step, requests per target</text></g>
</svg>
`;
}
