// Bundles each entry into one file of dist/, which node runs from anywhere and without node_modules.
//   node deploy/build.mjs            all entries
//   node deploy/build.mjs --if-stale only when a source is newer than what is there
//   node deploy/build.mjs --demo     the demo too, into build/
import { chmod, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const entries = [{ source: 'src/main.ts', target: 'dist/metronome.js' }];
if (process.argv.includes('--demo')) entries.push({ source: 'deploy/demo/main.ts', target: 'build/demo.js' });

// Packages in CommonJS call require() for Node's own modules, which an ESM file does not have.
const banner = [
  "import { createRequire as metronomeCreateRequire } from 'node:module';",
  'const require = metronomeCreateRequire(import.meta.url);',
].join('\n');

async function changedAt(path) {
  return (await stat(join(root, path)).catch(() => undefined))?.mtimeMs ?? 0;
}

async function newestSource() {
  let newest = Math.max(await changedAt('package-lock.json'), await changedAt('package.json'));
  for (const folder of ['src', 'handlers', 'deploy/demo', 'test/support']) {
    const names = await readdir(join(root, folder), { recursive: true }).catch(() => []);
    for (const name of names) newest = Math.max(newest, await changedAt(join(folder, name)));
  }
  return newest;
}

async function loadEsbuild() {
  try {
    return await import('esbuild');
  } catch (error) {
    // `npm ci --omit=dev` runs prepare too, and has nothing to build with.
    if (error.code === 'ERR_MODULE_NOT_FOUND' && process.env.npm_lifecycle_event === 'prepare')
      return undefined;
    throw error;
  }
}

async function bundle(esbuild, { source, target }) {
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints: [source],
    bundle: true,
    write: false,
    outfile: target,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    charset: 'utf8',
    legalComments: 'none',
    // Not minified: it starts no sooner, and operators can read what they run as root.
    banner: { js: banner },
    logLevel: 'warning',
  });
  const text = result.outputFiles[0].text;
  const code = text.startsWith('#!') ? text : `#!/usr/bin/env node\n${text}`;
  // Written aside and renamed: whoever starts it meanwhile gets the old file or the new one, never half.
  const path = join(root, target);
  const aside = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(aside, code);
  await chmod(aside, 0o755);
  await rename(aside, path);
  console.log(`${target}  ${Math.round(code.length / 1024)} KiB`);
}

const ifStale = process.argv.includes('--if-stale');
const esbuild = await loadEsbuild();
if (esbuild === undefined) {
  console.error('metronome: esbuild is not installed; dist/ is left as it is.');
} else {
  for (const entry of entries) {
    if ((await changedAt(entry.source)) === 0) {
      console.error(`metronome: ${entry.source} is not there yet; ${entry.target} is not built.`);
    } else if (!ifStale || (await changedAt(entry.target)) < (await newestSource())) {
      await bundle(esbuild, entry).catch((error) => {
        // esbuild has said what is wrong already.
        if (error.errors === undefined) throw error;
        process.exitCode = 1;
      });
    }
  }
}
