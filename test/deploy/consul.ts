import test from 'ava';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { consulProgram } from '../support/agent.js';
import { tempFolder } from '../support/metronome.js';
import { root } from '../support/project.js';

test('Consul takes the watches and the service definition as they are', (t) => {
  const folder = tempFolder(t);
  const names = ['metronome-watches.json', 'metronome-watches-systemd.json', 'metronome-service.json'];
  for (const name of names) {
    const text = readFileSync(join(root, 'deploy/consul', name), 'utf8');
    writeFileSync(join(folder, name), text.replaceAll('NODE_NAME', 'n1'));
  }
  writeFileSync(join(folder, 'agent.json'), JSON.stringify({ data_dir: folder, bind_addr: '127.0.0.1' }));
  t.regex(
    execFileSync(consulProgram(), ['validate', folder], { encoding: 'utf8' }),
    /Configuration is valid!/,
  );
});
