/**
 * The long form of the fault tests.
 *   npm run test:faults                    a new seed, which is printed
 *   npm run test:faults -- --seed 4711     the same again
 *   npm run test:faults -- test/faults/crash-points.ts   one file, and any of ava's flags
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../support/project.js';

const words = process.argv.slice(2);
const at = words.indexOf('--seed');
const seed = at < 0 ? Math.floor(Math.random() * 1_000_000) : Number(words.splice(at, 2)[1]);
if (!Number.isInteger(seed)) throw new Error('--seed: expected a whole number');
console.log(`seed ${seed} (again: npm run test:faults -- --seed ${seed})`);
const files = words.some((word) => word.startsWith('test/')) ? [] : ['test/faults'];
const child = spawn(
  process.execPath,
  [join(root, 'build/test/support/run-tests.js'), ...files, '--timeout=15m', '--concurrency=2', ...words],
  {
    stdio: 'inherit',
    env: { ...process.env, METRONOME_FAULTS: 'long', METRONOME_FAULTS_SEED: String(seed) },
  },
);
child.once('close', (code) => {
  console.log(`seed ${seed}`);
  process.exitCode = code ?? 1;
});
