/** The long form (`npm run test:faults -- --seed N`) tries everything; the short one, part of `npm test`, what tells most. */
export const LONG = process.env.METRONOME_FAULTS === 'long';

/** Printed by the long form, so that a run can be repeated. */
export const SEED = Number(process.env.METRONOME_FAULTS_SEED ?? 1);

export interface Chance {
  /** A number from 0 to below 1. */
  next(): number;
  /** A whole number from 0 to below `below`. */
  whole(below: number): number;
  of<T>(list: readonly T[]): T;
}

/** Random numbers that the seed and a name decide (mulberry32): the order in which tests run does not matter. */
export function chance(name: string, seed = SEED): Chance {
  let state = seed >>> 0;
  for (const character of name) state = (Math.imul(state, 31) + character.charCodeAt(0)) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const whole = (below: number) => Math.floor(next() * below);
  return { next, whole, of: (list) => list[whole(list.length)] as (typeof list)[number] };
}
