/** What Consul's agent is told: the service `metronome` with its check, and the watches (deploy/consul). */

/** `script`: the watch runs the handler itself. `systemd`: it starts a unit without waiting for it. */
export type WatchForm = 'script' | 'systemd';

/** The service definition; `command` is the argument list by which metronome is called. */
export function serviceFile(command: readonly string[]): string {
  return json({
    enable_local_script_checks: true,
    service: {
      name: 'metronome',
      checks: [
        {
          id: 'metronome:schedules',
          name: 'The schedule files of this node can be read',
          args: [...command, 'validate'],
          interval: '60s',
          timeout: '10s',
        },
      ],
    },
  });
}

/**
 * The watches of one node. In the systemd form neither handler runs below Consul's agent: a task may then restart
 * Consul without being ended with its control group, and the events are read from the agent's memory instead of from
 * standard input, which a unit does not have.
 */
export function watchesFile(
  form: WatchForm,
  place: { readonly command: readonly string[]; readonly prefix: string; readonly node: string },
): string {
  const start = (unit: string) => ['systemctl', 'start', '--no-block', unit];
  const { command, prefix, node } = place;
  return json({
    watches: [
      {
        type: 'event',
        handler_type: 'script',
        args: form === 'script' ? [...command, 'push'] : start('metronome-tick.service'),
      },
      {
        type: 'keyprefix',
        prefix: `${prefix}inbox/${node}/`,
        handler_type: 'script',
        args: form === 'script' ? [...command, 'execute'] : start('metronome-execute.service'),
      },
    ],
  });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
