/**
 * A process that runs a program as a handler does, to be killed: `node _handler.js '{"stateDir", "workDir", "claim",
 * "folder", "script", "guard"}'`.
 */
import { mkdirSync } from 'node:fs';
import { Guard } from '../../src/operations/guard.js';
import { recordClaim } from '../../src/operations/leftovers.js';
import { runProcess } from '../../src/operations/process.js';
import { createTaskLog } from '../../src/operations/task-log.js';

export interface HandlerArguments {
  readonly stateDir: string;
  readonly workDir: string;
  readonly claim: string;
  readonly folder: string;
  readonly script: string;
  readonly guard: boolean;
}

const { stateDir, workDir, claim, folder, script, guard } = JSON.parse(
  process.argv[2] ?? '',
) as HandlerArguments;
mkdirSync(workDir, { recursive: true });
recordClaim(stateDir, claim);
await runProcess(
  {
    program: '/bin/sh',
    arguments: [],
    cwd: folder,
    environment: { PATH: process.env.PATH ?? '', METRONOME_GUARD: process.env.METRONOME_GUARD ?? '' },
    input: script,
    output: true,
  },
  {
    log: createTaskLog({ now: () => new Date() }),
    signal: new AbortController().signal,
    grace: 1000,
    workDir,
    stateDir,
    claim,
    ...(guard ? { guard: new Guard() } : {}),
  },
);
