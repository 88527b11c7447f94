/** Every command: what help says of it, its flags, and where its code is (loaded when it is called). */
import type { Command, FlagSpec } from './types.js';

const JSON_FLAG: FlagSpec = { name: 'json', kind: 'boolean', description: 'print JSON' };
/** Of the commands that change the machine. */
const CHANGE_FLAGS: readonly FlagSpec[] = [
  { name: 'dry-run', kind: 'boolean', description: 'say what would be done, and do nothing' },
  { name: 'force', kind: 'boolean', description: 'go on where a check failed or a file was changed' },
];

export const COMMANDS: readonly Command[] = [
  {
    name: 'push',
    summary: 'queue the events that a Consul watch hands over on standard input',
    usage: 'push',
    description: [
      'Reads the JSON array that a Consul event watch writes, and queues each event that a schedule file here',
      'defines. The same event pushed by many nodes is queued once. When Consul does not answer, the event is',
      'kept in the state folder and queued by the next tick. Then dispatches.',
    ],
    flags: [],
    examples: [{ call: 'consul watch -type=event metronome push', says: 'as Consul’s own watch does' }],
    args: [0, 0],
    group: 'Handlers',
    load: () => import('./push.js'),
  },
  {
    name: 'dispatch',
    summary: 'bring every run forward, and start the next event when its turn has come',
    usage: 'dispatch [EVENT]',
    description: [
      'Reads what stands on Consul, decides, writes, and repeats until there is nothing to do. May run on any',
      'node, on several at once. With EVENT it is the same as `metronome run EVENT`.',
    ],
    flags: [],
    examples: [],
    args: [0, 1],
    group: 'Handlers',
    load: () => import('./dispatch.js'),
  },
  {
    name: 'execute',
    summary: 'run the tasks that are assigned to this node',
    usage: 'execute',
    description: [
      'Takes this node’s inbox, oldest first, until it is empty. On one node one execute runs and one waits; a',
      'third leaves at once.',
    ],
    flags: [],
    examples: [],
    args: [0, 0],
    group: 'Handlers',
    load: () => import('./execute.js'),
  },
  {
    name: 'tick',
    summary: 'spooled pushes, then dispatch, then execute: what a timer calls',
    usage: 'tick',
    description: [
      'The safety net under everything else: whatever was left undone by a crash or an outage goes on here.',
    ],
    flags: [
      {
        name: 'events',
        kind: 'boolean',
        description:
          'take the user events that the Consul agent has in memory too: for nodes without an event watch',
      },
      {
        name: 'start',
        kind: 'string',
        value: 'UNIT',
        description:
          'start this systemd unit when there is something to execute, instead of executing it here',
      },
    ],
    examples: [],
    args: [0, 0],
    group: 'Handlers',
    load: () => import('./tick.js'),
  },
  // Drivers and set-up ------------------------------------------------------------------------------
  {
    name: 'agent',
    summary: 'stay, and start the handlers by itself: no watch and no timer is needed',
    usage: 'agent',
    description: [
      'Hangs on this node’s inbox and on Consul’s user events, ticks, and wakes when an entry of `schedules` is due.',
      'SIGHUP reads configuration and schedule files again; what is broken leaves the former in force. SIGTERM takes',
      'nothing new and lets the running task go on for --stop-timeout; then the task is ended as an error.',
    ],
    flags: [
      {
        name: 'tick-interval',
        kind: 'string',
        value: 'TIME',
        description: 'time between ticks: a part of a minute or of an hour',
        default: '20s',
      },
      {
        name: 'stop-timeout',
        kind: 'string',
        value: 'TIME',
        description: 'how long a running task may go on after SIGTERM',
        default: '90s',
      },
      {
        name: 'http-port',
        kind: 'number',
        value: 'PORT',
        description: 'serve /healthz and /metrics on 127.0.0.1',
        default: 'none',
      },
    ],
    examples: [{ call: 'metronome agent --http-port 9750', says: 'with health and metrics for Prometheus' }],
    args: [0, 0],
    group: 'Set-up',
    load: () => import('./agent.js'),
  },
  {
    name: 'install',
    summary: 'set this machine up: units, watches and the service definition',
    usage: 'install',
    description: [
      'Checks what it needs first (as doctor does), says what it writes, writes it and starts it. Again, it changes',
      'only what differs. The driver `agent` is one resident process; `timer` ticks every five seconds (systemd; every',
      '15 by cron); `watch` has Consul’s agent start the handlers, with the timer as a net. Flags and environment go',
      'into /etc/metronome/config.yml where there is none.',
    ],
    flags: [
      {
        name: 'driver',
        kind: 'string',
        value: 'agent|timer|watch',
        description: 'what starts the handlers',
        default: 'agent',
      },
      {
        name: 'consul-dir',
        kind: 'string',
        value: 'DIR',
        description: 'configuration folder of Consul’s agent; none to leave it alone',
        default: '/etc/consul.d where it is',
      },
      {
        name: 'root',
        kind: 'string',
        value: 'DIR',
        description: 'put before every path, for images: checks nothing and starts nothing',
      },
      ...CHANGE_FLAGS,
    ],
    examples: [
      {
        call: 'metronome install --driver agent --files /etc/metronome/web/task.yml --dry-run',
        says: 'see what it would write',
      },
    ],
    args: [0, 0],
    group: 'Set-up',
    load: () => import('./install.js'),
  },
  {
    name: 'remove',
    summary: 'take away what install wrote',
    usage: 'remove',
    description: [
      'Stops the driver, removes its files and the state folder, and leaves alone what somebody changed since (unless',
      '--force). Refuses while events wait in the spool or a task runs. Results on Consul stay.',
    ],
    flags: [{ name: 'root', kind: 'string', value: 'DIR', description: 'as of install' }, ...CHANGE_FLAGS],
    examples: [],
    args: [0, 0],
    group: 'Set-up',
    load: () => import('./remove.js'),
  },
  ...(['start', 'stop'] as const).map(
    (name): Command => ({
      name,
      summary:
        name === 'start'
          ? 'start the installed driver'
          : 'stop the installed driver; a running task ends by itself',
      usage: name,
      description: [],
      flags: [
        { name: 'root', kind: 'string', value: 'DIR', description: 'as of install' },
        { name: 'dry-run', kind: 'boolean', description: 'say what would be done, and do nothing' },
      ],
      examples: [],
      args: [0, 0],
      group: 'Set-up',
      load: () => import('./start.js'),
    }),
  ),
  {
    name: 'doctor',
    summary: 'check what metronome needs on this machine, each with its fix',
    usage: 'doctor',
    description: [
      'Node.js, schedule files, state folder, Consul, its version and leader, the token’s permissions, the catalog, the',
      'service manager and the installed driver. Writes nothing. 1: a check failed; 3: Consul does not answer.',
    ],
    flags: [JSON_FLAG],
    examples: [],
    args: [0, 0],
    group: 'Set-up',
    load: () => import('./doctor.js'),
  },
  {
    name: 'config',
    summary: 'show every setting in force and where it came from; secrets are hidden',
    usage: 'config',
    description: [],
    flags: [
      JSON_FLAG,
      {
        name: 'show-variables',
        kind: 'boolean',
        description: 'show the values of the variables too: one of them may be a secret',
      },
    ],
    examples: [],
    args: [0, 0],
    group: 'Set-up',
    load: () => import('./config.js'),
  },
  // -------------------------------------------------------------------------------------------------
  {
    name: 'status',
    summary: 'show queued, running and finished events, or one of them',
    usage: 'status [ID]',
    description: ['Without ID: what runs, what waits, and what ended last. With ID: its steps and nodes.'],
    flags: [JSON_FLAG],
    examples: [],
    args: [0, 1],
    group: 'Operators',
    load: () => import('./status.js'),
  },
  {
    name: 'run',
    summary: 'run an event’s tasks here and now on this node alone, without Consul',
    usage: 'run EVENT',
    description: [
      'Runs the tasks of every step of the event in order, whatever its service and tag. Operations that need',
      'Consul use it when it answers. Nothing is queued or recorded.',
    ],
    flags: [
      { name: 'data', kind: 'list', value: 'K=V', description: 'data for the tasks, as METRONOME_DATA_K' },
    ],
    examples: [{ call: 'metronome run setup', says: 'prepare a machine before it joins the cluster' }],
    args: [1, 1],
    group: 'Operators',
    load: () => import('./run.js'),
  },
  {
    name: 'validate',
    summary: 'check schedule files and name every problem',
    usage: 'validate [FILE…]',
    description: ['Without FILE: the files of the configuration.'],
    flags: [JSON_FLAG, { name: 'strict', kind: 'boolean', description: 'warnings count as errors' }],
    examples: [{ call: 'metronome validate task.yml', says: 'before it goes to the fleet' }],
    args: [0, Number.POSITIVE_INFINITY],
    group: 'Schedule files',
    load: () => import('./validate.js'),
  },
  {
    name: 'version',
    summary: 'print the version',
    usage: 'version',
    description: [],
    flags: [],
    examples: [],
    args: [0, 0],
    bare: true,
    group: 'Other',
    load: () => import('./version.js'),
  },
  {
    name: 'help',
    summary: 'show help for a command',
    usage: 'help [COMMAND]',
    description: [],
    flags: [{ name: 'man', kind: 'boolean', description: 'write the manual page, for man' }],
    examples: [],
    args: [0, 1],
    bare: true,
    group: 'Other',
    load: () => import('./help.js'),
  },
];

export function commandNamed(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}
