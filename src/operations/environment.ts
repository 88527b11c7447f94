import { environmentOf } from '../schedule/variables.js';
import type { TaskContext } from './types.js';

/** Ours to use, not the task's: it gets them only if the schedule file's `environments` hand them on by name. */
const SECRET = /^CONSUL_HTTP_(TOKEN|AUTH)$|^METRONOME_.*(TOKEN|KEY|SECRET)/;
/** About another task: one may run metronome itself, or restart the agent that starts us. */
const FOREIGN = /^METRONOME_DATA_/;

/** The environment of what a task starts: the handler's own without secrets, the schedule file's `environments`, and METRONOME_…. */
export function taskEnvironment(
  context: TaskContext,
  variables: Readonly<Record<string, string>>,
  configValues: Readonly<Record<string, string>>,
  attempt: number,
  processEnv: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const { identity, schedule, claim } = context;
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(processEnv)) {
    if (value !== undefined && !SECRET.test(name) && !FOREIGN.test(name)) environment[name] = value;
  }
  Object.assign(environment, environmentOf(schedule, processEnv, variables, configValues));
  for (const [key, value] of Object.entries(identity.data))
    environment[`METRONOME_DATA_${key.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`] = value;
  Object.assign(environment, {
    METRONOME_EVENT_ID: identity.eventId,
    METRONOME_EVENT: identity.event,
    METRONOME_STEP: String(identity.step),
    METRONOME_TASK: identity.task,
    METRONOME_NODE: identity.node,
    METRONOME_PATTERN: identity.pattern,
    METRONOME_PAYLOAD: identity.payload,
    METRONOME_ATTEMPT: String(attempt),
    METRONOME_CLAIM: claim,
  });
  // An environment cannot hold a NUL; the payload comes from outside and may.
  for (const [name, value] of Object.entries(environment))
    if (value.includes('\0')) environment[name] = value.replaceAll('\0', '\ufffd');
  return environment;
}
