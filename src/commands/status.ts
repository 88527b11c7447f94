import { EXIT, type ExitCode, InputError } from '../errors.js';
import { idFault, shown } from '../run/names.js';
import { readEventIds, readEventResults, readResults } from '../store/history.js';
import { readQueue } from '../store/queue.js';
import { snapshot } from '../store/runs.js';
import type { Invocation } from './types.js';

const SHOWN = 10;

export async function run(invocation: Invocation): Promise<ExitCode> {
  const id = invocation.args[0];
  return id === undefined ? all(invocation) : one(invocation, id);
}

async function all({ context, io, flags }: Invocation): Promise<ExitCode> {
  const { client } = context();
  const [seen, { queue }, ids] = await Promise.all([
    snapshot(client),
    readQueue(client),
    readEventIds(client),
  ]);
  const results = await readEventResults(client, ids);
  const running = results.filter((result) => result.Status === 'inprogress');
  const finished = results.filter((result) => result.Status !== 'inprogress');
  if (flags.json) {
    const queued = queue.map(({ event }) => ({
      ID: event.ID,
      Name: event.Name,
      Group: event.Group,
      QueuedAt: new Date(event.QueuedAt.at).toISOString(),
    }));
    io.out(`${JSON.stringify({ running, queued, finished }, null, 2)}\n`);
    return EXIT.done;
  }
  for (const { run, outcomes } of seen.runs) {
    const spec = run.steps[run.current];
    const done = [...outcomes.values()].filter((outcome) => outcome.status !== 'inprogress').length;
    io.out(
      `running   ${run.id}  ${run.event}  step ${run.current} of ${run.steps.length} ${spec?.task ?? ''}: ${done} of ${run.step.targets.length} nodes done${run.step.gate === undefined ? '' : `, ${run.step.gate}`}\n`,
    );
  }
  for (const { event } of queue) io.out(`queued    ${event.ID}  ${event.Name}\n`);
  for (const result of finished.slice(0, SHOWN))
    io.out(
      `${result.Status.padEnd(9)} ${result.ID}  ${result.Name}${result.Reason === undefined ? '' : `  ${result.Reason}`}\n`,
    );
  if (seen.runs.length + queue.length + finished.length === 0) io.out('no events yet\n');
  return EXIT.done;
}

async function one({ context, io, flags }: Invocation, id: string): Promise<ExitCode> {
  const fault = idFault(id);
  if (fault !== undefined) throw new InputError(`${shown(id)} is no event id: it ${fault}`);
  const { client } = context();
  const { event, steps, nodes } = await readResults(client, id);
  if (event === undefined) throw new InputError(`no event ${id}: metronome status shows what there is`);
  if (flags.json) {
    io.out(
      `${JSON.stringify({ ...event, StepResults: steps.map((step) => ({ ...step, Nodes: nodes.filter((node) => node.No === step.No) })) }, null, 2)}\n`,
    );
    return EXIT.done;
  }
  io.out(
    `${event.Name} ${event.ID}: ${event.Status}${event.Reason === undefined ? '' : `, ${event.Reason}`}\n`,
  );
  for (const step of steps) {
    io.out(
      `  ${step.No} ${step.Name}: ${step.Status}${step.Reason === undefined ? '' : `, ${step.Reason}`}\n`,
    );
    for (const node of nodes.filter((one) => one.No === step.No)) {
      io.out(`      ${node.Node}: ${node.Status}${node.Reason === undefined ? '' : `, ${node.Reason}`}\n`);
    }
  }
  return EXIT.done;
}
