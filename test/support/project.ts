import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder, from wherever the compiled or bundled file stands. */
export const root = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  // tsc copies package.json into build/, so that alone says nothing.
  while (!existsSync(join(folder, 'deploy/install-consul'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no project folder above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
  return folder;
})();

/** The built command, as users run it. */
export const command = join(root, 'dist/metronome.js');
