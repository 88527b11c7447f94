import { EXIT, type ExitCode, InputError } from '../errors.js';
import { judge } from '../run/judge.js';
import { shown } from '../run/names.js';
import { list } from '../run/view.js';
import type { RunView } from '../store/runs.js';
import { word } from './cancel.js';
import { resolveId } from './event-id.js';
import { action, nudge, TRIES, wentOn } from './operator.js';
import { runningOne } from './pause.js';
import type { Invocation } from './types.js';

/** Lets a step with `approve: true` go on, or a step with `on_lost: hold` run again where it was lost. */
export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, io } = invocation;
  const context = invocation.context();
  const id = await resolveId(context.client, args[0] as string);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const view = await runningOne(context, id, 'approve');
    if (view === undefined) continue;
    const { no, key, count, what } = approval(view, flags.step);
    const said = action(`approve step ${no} ${view.run.steps[no]?.task ?? ''}`, invocation, context.now());
    const approve = { ...view.control?.approve, [key]: count };
    if (!(await word(context, view, { approve }, said))) continue;
    await nudge(context);
    if (flags.json === true)
      io.out(`${JSON.stringify({ ID: id, Name: view.run.event, Step: no }, null, 2)}\n`);
    else io.out(`${view.run.event} ${id}: ${what}\n`);
    return EXIT.done;
  }
  throw wentOn('approve', id);
}

/** What there is to approve, as it is kept in the control key. */
function approval(view: RunView, asked: unknown): { no: number; key: string; count: number; what: string } {
  const { run, control, outcomes } = view;
  const no = asked === undefined ? run.current : numberOf(asked, run.steps.length);
  const spec = run.steps[no];
  if (spec === undefined) throw new InputError(`event ${run.event} (${run.id}) has no step ${no}`);
  const name = `step ${no} ${spec.task}`;
  if (run.ended.some((end) => end.no === no))
    throw new InputError(`${name} of event ${run.event} has ended already`);
  if (no === run.current) {
    const held = run.step.targets.filter(
      (node) =>
        judge(
          { spec, step: run.step, observed: { outcomes, ...(control === undefined ? {} : { control }) } },
          node,
        ).kind === 'held',
    );
    if (held.length > 0) {
      const key = `${no}/hold`;
      return {
        no,
        key,
        // Counted: an approval is for the targets that are held when it is given.
        count: (control?.approve?.[key] ?? 0) + 1,
        what: `${name} runs again on ${list(held)}`,
      };
    }
  }
  if (!spec.approve) {
    const next = run.steps.find((step) => step.approve && !run.ended.some((end) => end.no === step.no));
    const hint = next === undefined ? '' : `; step ${next.no} ${next.task} does: --step ${next.no}`;
    throw new InputError(`${name} of event ${run.event} waits for no approval${hint}`);
  }
  if ((control?.approve?.[String(no)] ?? 0) > 0)
    throw new InputError(`${name} of event ${run.event} is approved already`);
  return { no, key: String(no), count: 1, what: `${name} is approved` };
}

function numberOf(value: unknown, steps: number): number {
  const no = Number(value);
  if (typeof value !== 'string' || !/^\d+$/.test(value) || no >= steps)
    throw new InputError(`--step ${shown(value)}: expected a step number from 0 to ${steps - 1}`);
  return no;
}
