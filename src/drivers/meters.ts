/** What the agent counts, and its text for Prometheus (exposition format 0.0.4). */
export interface Meters {
  /** Adds one to a counter. */
  count(name: CounterName, label?: string): void;
  /** The present value of a gauge. */
  set(name: GaugeName, value: number): void;
  text(): string;
}

const COUNTERS = {
  events: ['metronome_events_total', 'outcome', 'Events handed over, by what became of them.'],
  tasks: ['metronome_tasks_total', 'status', 'Tasks that ended on this node, by status.'],
  ticks: ['metronome_ticks_total', 'result', 'Ticks, by result.'],
  dispatches: ['metronome_dispatches_total', 'result', 'Dispatches outside ticks, by result.'],
  reloads: ['metronome_reloads_total', 'result', 'Reloads of configuration and schedule files, by result.'],
} as const;

const GAUGES = {
  consul: ['metronome_consul_up', 'Whether Consul answered last (1) or not (0).'],
  inbox: ['metronome_inbox_assignments', 'Assignments in the inbox of this node.'],
  running: ['metronome_executing', 'Whether an execute is at work (1) or not (0).'],
  problems: ['metronome_schedule_problems', 'Errors in the schedule files in force.'],
  lastTick: ['metronome_last_tick_timestamp_seconds', 'When a tick last ended well.'],
  started: ['metronome_start_time_seconds', 'When the agent started.'],
} as const;

export type CounterName = keyof typeof COUNTERS;
export type GaugeName = keyof typeof GAUGES;

export function createMeters(info: Readonly<Record<string, string>>): Meters {
  const counts = new Map<string, Map<string, number>>();
  const values = new Map<string, number>();
  return {
    count(name, label = '') {
      const ofName = counts.get(name) ?? new Map<string, number>();
      counts.set(name, ofName);
      ofName.set(label, (ofName.get(label) ?? 0) + 1);
    },
    set: (name, value) => void values.set(name, value),
    text() {
      const labels = Object.entries(info).map(([name, value]) => `${name}="${escaped(value)}"`);
      const lines = [
        '# HELP metronome_info Which metronome this is.',
        '# TYPE metronome_info gauge',
        `metronome_info{${labels.join(',')}} 1`,
      ];
      for (const [key, [name, label, help]] of Object.entries(COUNTERS)) {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`);
        for (const [value, count] of counts.get(key) ?? [])
          lines.push(`${name}{${label}="${escaped(value)}"} ${count}`);
      }
      for (const [key, [name, help]] of Object.entries(GAUGES)) {
        const value = values.get(key);
        if (value !== undefined)
          lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`);
      }
      return `${lines.join('\n')}\n`;
    },
  };
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
