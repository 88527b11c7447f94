// Bundles each entry into one file of dist/, which node runs from anywhere and without node_modules.
//   node deploy/build.mjs            all entries
//   node deploy/build.mjs --if-stale only when a source is newer than what is there
//   node deploy/build.mjs --demo     the demo too, into build/
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startConsul } from './build-consul.mjs';

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
 * Loading one of these takes as long as a request to Consul, and most starts of a handler do without: it is loaded
 * when something of it is used.
 */
const late = {
  name: 'late',
  setup(build) {
    build.onResolve({ filter: /^(node:)?(https|crypto|fs\/promises)$/ }, ({ path }) => ({
      path: `node:${path.replace(/^node:/, '')}`,
      namespace: 'late',
    }));
    build.onLoad({ filter: /.*/, namespace: 'late' }, async ({ path }) => {
      const get = `process.getBuiltinModule('${path}')`;
      const names = Object.entries(await import(path)).flatMap(([name, value]) =>
        typeof value === 'function' && name !== 'default' ? [name] : [],
      );
      return {
        contents: [
          `export default new Proxy({}, { get: (_, key) => ${get}[key] });`,
          ...names.map((name) => `export function ${name}(...args) { return ${get}.${name}(...args); }`),
        ].join('\n'),
      };
    });
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
          plugins: [late],
          // What graceful-fs does is to wait when a process has too many files open; a lock opens none.
          alias: { 'graceful-fs': 'node:fs' },
          // node-cron asks where it stands; nothing of us uses the answer.
          // performance.now() would load all of Node's measuring to read a clock.
          define: { 'import.meta.url': 'metronomeUrl', 'performance.now': 'metronomeElapsed' },
        }
      : { banner: { js: banner } }),
    logLevel: 'warning',
  });
  const text = result.outputFiles[0].text;
  if (cached) {
    const program = target.replace(/\.js$/, '.cjs');
    // The wrapper stands in the file: put around it at each start, it would be a copy of the whole.
    const body = text.replace(/^#!.*\n/, '');
    await put(
      program,
      `(function (exports, require, module, metronomeUrl, metronomeElapsed) {\n${body}\n})\n`,
      0o644,
    );
    await put(target, launcher);
    // Node's ESM loader takes 5 ms of each start, and the launcher is no module.
    await put(join(dirname(target), 'package.json'), '{ "type": "commonjs" }\n', 0o644);
    await compileAhead(target);
  } else await put(target, text.startsWith('#!') ? text : `#!/usr/bin/env node\n${text}`);
  console.log(`${target}  ${Math.round(text.length / 1024)} KiB`);
}

/** Written aside and renamed: whoever starts it meanwhile gets the old file or the new one, never half. */
async function put(target, code, mode = 0o755) {
  const path = join(root, target);
  const aside = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(aside, code);
  await chmod(aside, mode);
  await rename(aside, path);
}

/**
 * Starts the program from code that was compiled when it was built: compiling 800 KiB takes a third of a short
 * handler's time. V8 refuses a cache that another version of Node made, or that belongs to other code; the
 * program is then compiled as usual, and runs the same.
 */
const launcher = `#!/usr/bin/env node
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const vm = require('node:vm');

const file = join(__dirname, 'metronome.cjs');
const cacheFile = \`\${file}.\${process.version}-\${process.arch}.cache\`;
let cachedData;
try {
  cachedData = readFileSync(cacheFile);
} catch {}
const script = new vm.Script(readFileSync(file, 'latin1'), {
  filename: file,
  cachedData,
  importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const program = { exports: {} };
const url = pathToFileURL(__filename).href;
const elapsed = () => Number(process.hrtime.bigint()) / 1e6;
script.runInThisContext()(program.exports, createRequire(file), program, url, elapsed);
if (process.env.METRONOME_COMPILE_CACHE === 'write')
  process.on('exit', () => writeFileSync(cacheFile, script.createCachedData()));
`;

/**
 * Lets the program do what handlers do, so that the cache holds the functions that they need: push, the steps of an
 * event, and a wake-up for nothing, at a stand-in for a Consul agent (build-consul.mjs; a fresh machine has no Consul
 * when it builds). Each adds to the cache of the one before. What fails here is only compiled later.
 */
async function compileAhead(target) {
  for (const name of await readdir(join(root, dirname(target)))) {
    if (name.endsWith('.cache')) await rm(join(root, dirname(target), name), { force: true });
  }
  const consul = await startConsul();
  const folder = await mkdtemp(join(tmpdir(), 'metronome-build-'));
  try {
    const file = join(folder, 'build', 'task.yml');
    await mkdir(dirname(file));
    await writeFile(
      file,
      'events: {go: {ordered_tasks: [{service: one, task: work}, {service: one, tag: a, task: work}]}}\n' +
        "tasks: {work: {operations: [{execute: {script: 'echo working'}}, {echo: done}]}}\n",
    );
    const run = async (handler, input = '') => {
      const args = [
        handler,
        '--port',
        String(consul.port),
        '--state-dir',
        join(folder, 'state'),
        '--files',
        file,
      ];
      const child = spawn(process.execPath, [join(root, target), ...args], {
        env: { PATH: process.env.PATH, METRONOME_COMPILE_CACHE: 'write' },
        stdio: ['pipe', 'ignore', process.env.METRONOME_BUILD_DEBUG ? 'inherit' : 'ignore'],
      });
      child.stdin.on('error', () => {});
      child.stdin.end(input);
      await once(child, 'close');
    };
    const event = JSON.stringify([{ ID: 'b0000000-0000-4000-8000-000000000000', Name: 'go', LTime: 1 }]);
    for (const handler of ['push', 'execute', 'tick', 'push', 'execute']) await run(handler, event);
  } finally {
    consul.close();
    await rm(folder, { recursive: true, force: true });
  }
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
