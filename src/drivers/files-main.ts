/** Writes deploy/systemd, deploy/cron and the files of deploy/consul anew: `npm run deploy:files`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { deployFiles } from './deploy-files.js';

for (const [path, text] of Object.entries(deployFiles())) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
