/** Carries out what plan.ts planned, and takes it away again. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, MetronomeError } from '../errors.js';
import { writeWhole } from '../local/state.js';
import { digest, forgetManifest, type Manifest, readManifest, writeManifest } from './manifest.js';
import { ownFolders, type Plan, type PlannedFile } from './plan.js';

/** Where it is done, and who is told. */
export interface Site {
  /** Put before every path: an image or a test folder; '' for this machine. With another root no command is run. */
  readonly root: string;
  readonly stateDir: string;
  readonly version: string;
  readonly dryRun: boolean;
  /** Files that somebody changed are overwritten too. */
  readonly force: boolean;
  say(line: string): void;
  /** Has Consul's agent read its configuration again; throws when it cannot. */
  reloadConsul(): Promise<void>;
}

type Change = 'write' | 'update' | 'keep' | 'same' | 'foreign';

/** Writes what differs. Installing twice changes nothing; what another driver needed and this one does not is removed. */
export async function install(plan: Plan, site: Site): Promise<void> {
  const former = readManifest(site.root + site.stateDir);
  const changes = plan.files.map((file) => ({ file, change: changeOf(file, site, former) }));
  const foreign = changes.filter(({ change }) => change === 'foreign');
  if (foreign.length > 0 && !site.force && !site.dryRun) {
    throw new MetronomeError(
      `${foreign.map(({ file }) => file.path).join(', ')}: changed by somebody since metronome wrote it, or not written by metronome; --force overwrites`,
    );
  }
  const words: Record<Change, string> = {
    write: 'write',
    update: 'update',
    keep: 'leave alone',
    same: 'unchanged',
    foreign: site.force ? 'overwrite' : 'not ours, --force would overwrite',
  };
  for (const { file, change } of changes) {
    site.say(`${words[change]}: ${file.path}`);
    if (site.dryRun && (change === 'write' || change === 'update' || change === 'foreign'))
      for (const line of file.text.trimEnd().split('\n')) site.say(`    ${line}`);
  }
  const gone = Object.keys(former?.files ?? {}).filter(
    (path) => !plan.files.some((file) => file.path === path),
  );
  for (const path of gone) site.say(`remove: ${path} (of the driver ${former?.driver ?? ''})`);
  const oldUnits = (former?.units ?? []).filter((unit) => !plan.units.includes(unit));
  const written = changes.filter(({ change }) => change !== 'same' && change !== 'keep');
  const changed = written.length > 0 || gone.length > 0;
  const ofConsul = [...written.map(({ file }) => file.path), ...gone].some((path) =>
    /\/metronome-(service|watches)\.json$/.test(path),
  );

  for (const unit of oldUnits) systemctl(site, 'disable', '--now', unit);
  if (!site.dryRun) {
    for (const path of gone) rmSync(site.root + path, { force: true });
    for (const { file } of written) put(file, site);
    const files = changes
      // What was there before us and was left alone is not ours.
      .filter(({ file, change }) => change !== 'keep' || former?.files[file.path] !== undefined)
      .map(({ file, change }): [string, string] => [
        file.path,
        change === 'keep' ? (former?.files[file.path] as string) : digest(file.text),
      ]);
    writeManifest(site.root + site.stateDir, {
      driver: plan.driver,
      version: site.version,
      files: Object.fromEntries(files),
      units: plan.units,
    });
  }
  if (plan.units.length > 0 || oldUnits.length > 0) {
    if (changed) systemctl(site, 'daemon-reload');
    for (const unit of plan.units) systemctl(site, 'enable', '--now', unit);
    // A task may be running under it: it is waited for, but not by us.
    if (
      former !== undefined &&
      written.some(({ file }) => plan.units.some((unit) => file.path.endsWith(`/${unit}`)))
    )
      for (const unit of plan.units) systemctl(site, '--no-block', 'restart', unit);
  }
  if (ofConsul) await reload(site);
  if (!changed) site.say('nothing to change');
}

/** Takes away everything that install wrote, the state folder too. Undefined driver: nothing was installed. */
export async function remove(site: Site): Promise<Manifest['driver'] | undefined> {
  const manifest = readManifest(site.root + site.stateDir);
  if (manifest === undefined) return undefined;
  if (!site.force) refuseWhileNeeded(site);
  for (const unit of manifest.units) systemctl(site, 'disable', '--now', unit);
  let kept = 0;
  for (const [path, hash] of Object.entries(manifest.files)) {
    for (const suffix of ['', STOPPED]) {
      const there = site.root + path + suffix;
      if (!existsSync(there)) continue;
      if (digest(readFileSync(there, 'utf8')) !== hash && !site.force) {
        kept += 1;
        site.say(`leave alone: ${path}${suffix} (changed since metronome wrote it; --force removes it too)`);
        continue;
      }
      site.say(`remove: ${path}${suffix}`);
      if (!site.dryRun) rmSync(there, { force: true });
    }
  }
  if (manifest.units.length > 0) systemctl(site, 'daemon-reload');
  if (Object.keys(manifest.files).some((path) => /\/metronome-(service|watches)\.json$/.test(path)))
    await reload(site);
  site.say(`remove: ${site.stateDir}`);
  if (!site.dryRun) {
    forgetManifest(site.root + site.stateDir);
    rmSync(site.root + site.stateDir, { recursive: true, force: true });
    for (const folder of ownFolders({
      files: Object.keys(manifest.files).map((path) => ({ path, text: '', mode: 0 })),
    })) {
      try {
        rmdirSync(site.root + folder);
      } catch {
        // The operator's schedule files are in it, or it is gone.
      }
    }
  }
  if (kept > 0) site.say(`${kept} changed file${kept === 1 ? '' : 's'} left alone`);
  return manifest.driver;
}

/** Appended to a file of cron's or Consul's that is not to be read for now: both pass such names over. */
const STOPPED = '.stopped';

/** Starts (or stops) what the installed driver consists of. */
export async function setRunning(manifest: Manifest, running: boolean, site: Site): Promise<void> {
  for (const unit of manifest.units) systemctl(site, running ? 'start' : 'stop', unit);
  let ofConsul = false;
  for (const path of Object.keys(manifest.files)) {
    if (!/\/metronome-watches\.json$|^\/etc\/cron\.d\//.test(path)) continue;
    const [from, to] = running ? [path + STOPPED, path] : [path, path + STOPPED];
    if (!existsSync(site.root + from)) continue;
    renameSync(site.root + from, site.root + to);
    site.say(`${from} is ${to} now`);
    ofConsul ||= path.endsWith('.json');
  }
  if (ofConsul) await reload(site);
}

function changeOf(file: PlannedFile, { root }: Site, former: Manifest | undefined): Change {
  let there: string;
  try {
    there = readFileSync(root + file.path, 'utf8');
  } catch {
    return 'write';
  }
  if (file.once) return 'keep';
  if (there === file.text) return 'same';
  return former?.files[file.path] === digest(there) ? 'update' : 'foreign';
}

function put(file: PlannedFile, { root }: Site): void {
  const path = root + file.path;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeWhole(path, file.text);
    chmodSync(path, file.mode);
    const group = file.forConsul ? groupId('consul') : undefined;
    if (group !== undefined && root === '') chownSync(path, 0, group);
  } catch (error) {
    const hint = process.getuid?.() === 0 ? '' : ': run it as root';
    throw new MetronomeError(`${path} cannot be written (${messageOf(error)})${hint}`);
  }
}

function groupId(name: string): number | undefined {
  try {
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((one) => one.startsWith(`${name}:`));
    return line === undefined ? undefined : Number(line.split(':')[2]);
  } catch {
    return undefined;
  }
}

function systemctl(site: Site, ...words: string[]): void {
  const line = `systemctl ${words.join(' ')}`;
  site.say(`${site.root === '' ? 'run' : 'to be run there'}: ${line}`);
  if (site.dryRun || site.root !== '') return;
  try {
    execFileSync('systemctl', words, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    const detail = (error as { stderr?: string }).stderr?.trim() || messageOf(error);
    throw new MetronomeError(`${line} failed: ${detail.replace(/\s+/g, ' ')}`);
  }
}

async function reload(site: Site): Promise<void> {
  site.say(`${site.root === '' ? 'run' : 'to be run there'}: consul reload`);
  if (site.dryRun || site.root !== '') return;
  try {
    await site.reloadConsul();
  } catch (error) {
    site.say(`Consul did not reload (${messageOf(error)}): run consul reload`);
  }
}

/** What would be lost with the state folder: events in the spool, and the record of a task that runs. */
function refuseWhileNeeded({ root, stateDir }: Site): void {
  const dir = root + stateDir;
  const spooled = list(join(dir, 'spool')).filter((name) => name.endsWith('.json')).length;
  if (spooled > 0)
    throw new MetronomeError(
      `${spooled} event${spooled === 1 ? ' waits' : 's wait'} in ${join(stateDir, 'spool')} for Consul: run metronome tick first, or remove with --force`,
    );
  if (list(join(dir, 'running')).some((name) => name.endsWith('.json')))
    throw new MetronomeError(
      'a task is running here: wait for its end (metronome status), or remove with --force',
    );
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
