// Bundles each entry into one file of dist/, which node runs from anywhere and without node_modules.
//   node deploy/build.mjs            all entries
//   node deploy/build.mjs --if-stale only when a source is newer than what is there
//   node deploy/build.mjs --demo     the demo too, into build/
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const entries = [{ source: 'src/main.ts', target: 'dist/metronome.js', cached: true }];
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

/**
 * Loading node:https takes as long as a request to Consul, and most agents speak plain HTTP on loopback: it is
 * loaded when something of it is used.
 */
const lateHttps = {
  name: 'late-https',
  setup(build) {
    build.onResolve({ filter: /^(node:)?https$/ }, () => ({ path: 'https', namespace: 'late' }));
    build.onLoad({ filter: /.*/, namespace: 'late' }, () => ({
      contents: `module.exports = new Proxy({}, { get: (_, key) => process.getBuiltinModule('node:https')[key] });`,
    }));
  },
};

async function bundle(esbuild, { source, target, cached = false }) {
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints: [source],
    bundle: true,
    write: false,
    outfile: target,
    platform: 'node',
    target: 'node20.19',
    format: cached ? 'cjs' : 'esm',
    // ASCII only where it is cached: it is read as Latin-1, which V8 need not convert.
    charset: cached ? 'ascii' : 'utf8',
    legalComments: 'none',
    // Not minified: it starts no sooner, and operators can read what they run as root.
    ...(cached
      ? {
          plugins: [lateHttps],
          // node-cron asks where it stands; nothing of us uses the answer.
          define: { 'import.meta.url': 'metronomeUrl' },
        }
      : { banner: { js: banner } }),
    logLevel: 'warning',
  });
  const text = result.outputFiles[0].text;
  if (cached) {
    const program = target.replace(/\.js$/, '.cjs');
    await put(program, text.replace(/^#!.*\n/, ''));
    await put(target, launcher);
    await compileAhead(target);
  } else await put(target, text.startsWith('#!') ? text : `#!/usr/bin/env node\n${text}`);
  console.log(`${target}  ${Math.round(text.length / 1024)} KiB`);
}

/** Written aside and renamed: whoever starts it meanwhile gets the old file or the new one, never half. */
async function put(target, code) {
  const path = join(root, target);
  const aside = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(aside, code);
  await chmod(aside, 0o755);
  await rename(aside, path);
}

/**
 * Starts the program from code that was compiled when it was built: compiling 800 KiB takes a third of a short
 * handler's time. V8 refuses a cache that another version of Node made, or that belongs to other code; the
 * program is then compiled as usual, and runs the same.
 */
const launcher = `#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const file = fileURLToPath(new URL('metronome.cjs', import.meta.url));
const cacheFile = \`\${file}.\${process.version}-\${process.arch}.cache\`;
let cachedData;
try {
  cachedData = readFileSync(cacheFile);
} catch {}
const code = \`(function (exports, require, module, metronomeUrl) {\${readFileSync(file, 'latin1')}\\n})\`;
const script = new vm.Script(code, {
  filename: file,
  cachedData,
  importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(file), module, import.meta.url);
if (process.env.METRONOME_COMPILE_CACHE === 'write') {
  const { writeFileSync } = await import('node:fs');
  process.on('exit', () => writeFileSync(cacheFile, script.createCachedData()));
}
`;

/** Lets the program run a little, so that the cache holds the functions that every start needs. */
async function compileAhead(target) {
  for (const name of await readdir(join(root, dirname(target)))) {
    if (name.endsWith('.cache')) await rm(join(root, dirname(target), name), { force: true });
  }
  // No Consul listens there: the handler comes as far as its first request.
  execFileSync(
    process.execPath,
    [join(root, target), 'push', '--port', '9', '--state-dir', '/nonexistent/metronome'],
    {
      env: { PATH: process.env.PATH, METRONOME_COMPILE_CACHE: 'write' },
      input: '[]',
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  );
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
