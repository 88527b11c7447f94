/**
 * The file for /etc/cron.d, where there is no systemd. Cron counts in minutes, so each line but the first waits. Ticks
 * may overlap: the local lock lets one execute run and one wait, and a tick that finds both leaves.
 */
export function cronFile(command: string): string {
  const lines = [0, 15, 30, 45].map(
    (second) =>
      `* * * * * root ${second === 0 ? '' : `sleep ${second}; `}${command} tick --events 2>&1 | logger -t metronome`,
  );
  return `# Metronome: a tick every 15 seconds. Written by metronome; settings belong in /etc/metronome/config.yml.
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
${lines.join('\n')}
`;
}
