/**
 * The systemd units: what `metronome install` writes, and what lies in deploy/systemd (with /usr/bin/metronome, as the
 * Debian package has it; a test compares). `systemd-analyze verify` passes on all of them.
 */

/**
 * Unit name -> its text. `command` is how metronome is called here, e.g. `/usr/bin/metronome`; `stopTimeout` (ms) is what
 * the agent gives a running task.
 */
export function units(command: string, stopTimeout = 90_000): Readonly<Record<string, string>> {
  return {
    'metronome-agent.service': service({
      description: 'Metronome: order event processing on this node',
      lines: [
        'Type=notify',
        '# Its words come from systemd-notify, a child of it.',
        'NotifyAccess=all',
        `ExecStart=${command} agent`,
        'ExecReload=/bin/kill -HUP $MAINPID',
        'WatchdogSec=120',
        'Restart=always',
        'RestartSec=2',
        `# stop-timeout (${stopTimeout / 1000} s) for the running task, then its TERM, its KILL and its result.`,
        `TimeoutStopSec=${stopTimeout / 1000 + 90}`,
      ],
      install: ['WantedBy=multi-user.target'],
    }),
    'metronome-tick.service': service({
      description: 'Metronome: take events, bring runs forward, and have this node’s work started',
      lines: [
        'Type=oneshot',
        '# Short: tasks run in the other unit, so that a long one does not keep ticks from this one.',
        `ExecStart=${command} tick --events --start metronome-execute.service`,
        'TimeoutStartSec=120',
      ],
    }),
    'metronome-tick.timer': `[Unit]
Description=Metronome: tick every five seconds
Documentation=man:metronome(1)

[Timer]
OnCalendar=*:*:0/5
# Not all nodes at once.
RandomizedDelaySec=2
AccuracySec=1
Persistent=true

[Install]
WantedBy=timers.target
`,
    'metronome-execute.service': service({
      description: 'Metronome: run the tasks that are assigned to this node',
      lines: [
        'Type=oneshot',
        `ExecStart=${command} execute`,
        '# Tasks have time limits of their own.',
        'TimeoutStartSec=infinity',
        'TimeoutStopSec=90',
      ],
    }),
  };
}

function service(unit: { description: string; lines: string[]; install?: string[] }): string {
  return `[Unit]
Description=${unit.description}
Documentation=man:metronome(1)
Wants=network-online.target
After=network-online.target consul.service
# Work comes in bursts: none of it may be refused for having come too often.
StartLimitIntervalSec=0

[Service]
${unit.lines.join('\n')}
EnvironmentFile=-/etc/default/metronome
# Daemons that a task starts are the machine's, and stay; metronome ends its own tasks, with all their processes.
KillMode=process
# A task that needs too much memory must not take metronome with it.
OOMPolicy=continue
StateDirectory=metronome
StateDirectoryMode=0700
SyslogIdentifier=metronome
# Tasks manage this machine: packages, units, mounts, kernel settings, users, with sudo too. What is left to take
# away is little; where your tasks do less, take more in a drop-in (deploy/README.md, "Sandboxing").
LockPersonality=yes
KeyringMode=private
${unit.install === undefined ? '' : `\n[Install]\n${unit.install.join('\n')}\n`}`;
}
