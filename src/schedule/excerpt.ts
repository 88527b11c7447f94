// STUB
import type { Problem } from './types.js';
export function formatProblem(p: Problem, _s: string | undefined, _o: { colour: boolean; width: number }): string[] { return [`${p.place.file}:${p.place.line}:${p.place.column}: ${p.severity}: ${p.message}`]; }
export function problemToJson(p: Problem): unknown { return p; }
