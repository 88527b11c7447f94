import type { Stamp } from './types.js';

/**
 * How long ago `since` was at the least, in ms, never negative.
 * A judge on another node allows `maxClockSkew`, because the two clocks may differ by that much:
 * it may wait longer than needed, it never judges too early (ARCHITECTURE.md, "Time").
 */
export function elapsed(since: Stamp, now: Stamp, maxClockSkew: number): number {
  const span = now.at - since.at - (since.by === now.by ? 0 : maxClockSkew);
  return Math.max(0, span);
}

/** What is left of `limit` ms since `since`; 0 when it has passed. */
export function left(since: Stamp, limit: number, now: Stamp, maxClockSkew: number): number {
  return Math.max(0, limit - elapsed(since, now, maxClockSkew));
}

/** A duration for people: `350 ms`, `1.2 s`, `12 s`, `3 m 5 s`, `2 h 1 m`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${Number((ms / 1000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} m` : `${minutes} m ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} m`;
}
