/** What `metronome install` would write on this machine. Pure: it looks at nothing and changes nothing. */
import { dirname, join } from 'node:path';
import type { Config } from '../config.js';
import { KEYS, type Key } from '../config/values.js';
import { serviceFile, type WatchForm, watchesFile } from './consul-files.js';
import { cronFile } from './cron-file.js';
import { units } from './units.js';

export const DRIVERS = ['agent', 'timer', 'watch'] as const;
export type Driver = (typeof DRIVERS)[number];

export interface Machine {
  readonly driver: Driver;
  readonly serviceManager: 'systemd' | 'init';
  /** The arguments by which metronome is called here: node and the program, absolute. */
  readonly command: readonly string[];
  /** This node's name in Consul. */
  readonly node: string;
  readonly config: Config;
  /** Key -> its text, for a configuration file where there is none yet; absent: the command names another file. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The configuration folder of Consul's agent; absent: it has none of ours. */
  readonly consulDir?: string;
}

export interface PlannedFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  /** Written where there is none, and left alone otherwise: it is the operator's. */
  readonly once?: true;
  /** Belongs to the group `consul` too, where there is one: Consul's agent runs the service's check as that user. */
  readonly forConsul?: true;
}

export interface Plan {
  readonly driver: Driver;
  readonly files: readonly PlannedFile[];
  /** Units to be enabled and started. */
  readonly units: readonly string[];
}

export const CONFIG_FILE = '/etc/metronome/config.yml';
const SYSTEMD = '/etc/systemd/system';
const CRON = '/etc/cron.d/metronome';
const TICKING = ['metronome-tick.service', 'metronome-tick.timer', 'metronome-execute.service'];

export function plan(machine: Machine): Plan {
  const { driver, serviceManager, command, node, config, consulDir } = machine;
  const called = command.map(unitWord).join(' ');
  const systemd = serviceManager === 'systemd';
  const all = units(called, config.stopTimeout);
  const names = !systemd ? [] : driver === 'agent' ? ['metronome-agent.service'] : TICKING;
  const files: PlannedFile[] = names.map((name) => ({
    path: join(SYSTEMD, name),
    text: all[name] as string,
    mode: 0o644,
  }));
  // Watches want a timer beside them, the net under everything.
  if (!systemd && driver !== 'agent')
    files.push({ path: CRON, text: cronFile(command.map(shellWord).join(' ')), mode: 0o644 });
  if (consulDir !== undefined) {
    files.push({ path: join(consulDir, 'metronome-service.json'), text: serviceFile(command), mode: 0o644 });
    if (driver === 'watch') {
      const form: WatchForm = systemd ? 'systemd' : 'script';
      const text = watchesFile(form, { command, prefix: config.prefix, node });
      files.push({ path: join(consulDir, 'metronome-watches.json'), text, mode: 0o644 });
    }
  }
  if (machine.settings !== undefined)
    files.push({
      path: CONFIG_FILE,
      text: configText(machine.settings),
      mode: 0o640,
      once: true,
      forConsul: true,
    });
  return {
    driver,
    files,
    units: !systemd ? [] : driver === 'agent' ? ['metronome-agent.service'] : ['metronome-tick.timer'],
  };
}

/** Folders that exist only because of us: to be removed when they are empty. */
export function ownFolders(plan: Pick<Plan, 'files'>): string[] {
  return plan.files.map(({ path }) => dirname(path)).filter((folder) => folder.endsWith('/metronome'));
}

/** The settings that came from flags and environment, as they go into a configuration file. */
export function settingsOf(
  config: Config,
  sources: Readonly<Record<string, string>>,
): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [key, [property]] of Object.entries(KEYS) as [Key, (typeof KEYS)[Key]][]) {
    const value = (config as unknown as Record<string, unknown>)[property];
    if (!/^(flag|environment) /.test(sources[key] ?? '') || value === undefined) continue;
    settings[key] = Array.isArray(value)
      ? value.join(',')
      : key === 'tick-interval' || key === 'stop-timeout'
        ? `${Number(value) / 1000}`
        : `${value as string | number | boolean}`;
  }
  return settings;
}

function configText(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  if (settings.files === undefined)
    lines.push(
      '# The schedule files of this node, separated by commas:',
      '# files: /etc/metronome/web/task.yml',
    );
  return `# Settings of metronome on this node: metronome config shows what is in force.\n${lines.join('\n')}\n`;
}

/** A word of ExecStart=: systemd reads quotes, % and $ in it. */
function unitWord(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[A-Za-z0-9/._%$+:@-]+$/.test(plain)
    ? plain
    : `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** A word for /bin/sh in a crontab, where % ends the line. */
function shellWord(word: string): string {
  const plain = /^[A-Za-z0-9/._+:@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  return plain.replaceAll('%', '\\%');
}
