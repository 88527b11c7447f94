import { serviceFile, watchesFile } from './consul-files.js';
import { cronFile } from './cron-file.js';
import { units } from './units.js';

/** Path in the project -> text: for those who install by hand, and for the Debian package. */
export function deployFiles(): Record<string, string> {
  const place = { command: ['metronome'], prefix: 'metronome/', node: 'NODE_NAME' };
  return {
    ...Object.fromEntries(
      Object.entries(units('/usr/bin/metronome')).map(([name, text]) => [`deploy/systemd/${name}`, text]),
    ),
    'deploy/cron/metronome': cronFile('/usr/bin/metronome'),
    'deploy/consul/metronome-service.json': serviceFile(place.command),
    'deploy/consul/metronome-watches.json': watchesFile('script', place),
    'deploy/consul/metronome-watches-systemd.json': watchesFile('systemd', place),
  };
}
