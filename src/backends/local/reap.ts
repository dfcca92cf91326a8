// What a process that was killed in the middle of a create left of local buildlets: processes and directories without
// a record, which nothing else would find; and buildlets that have died.
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError } from '../../errors.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { hasLocalRoot, type LocalPlaces } from './places.ts';
import { endLocalBuildlet, isRunning } from './process.ts';
import { filesOf, type LocalRecord, readRecord } from './record.ts';

/** The name of a buildlet's directory; others belong to something else. */
const buildletName = /^[\w.-]+-[0-9]+$/;

/** The name of a directory of work files, with the buildlet's name. */
const filesName = /^gomote-([\w.-]+-[0-9]+)-[0-9a-f]{8}$/;

export interface ReapOptions {
  readonly minimumAgeMs: number;
  /** Whether buildlets that have died are removed, too. */
  readonly withDead: boolean;
}

/** Ends and removes what is older than `minimumAgeMs`, and says what, a line each. Processes are found on Linux only. */
export async function reapLocal(
  places: LocalPlaces,
  { minimumAgeMs, withDead }: ReapOptions,
): Promise<string[]> {
  const { root } = places;
  const workRoot = await places.workRoot();
  const said: string[] = [];
  for (const { pid, directory, workDir } of await buildletProcesses(root)) {
    const record = recordIn(directory);
    if (record === 'unreadable' || record?.pid === pid) continue;
    if ((await ageMs(`/proc/${pid}`)) < minimumAgeMs) continue;
    await end(pid);
    await removeTree(filesOf({ workDir }));
    said.push(`process ${pid}: a buildlet without a record`);
  }
  for (const name of await namesIn(root)) {
    const directory = join(root, name);
    if (!buildletName.test(name) || recordIn(directory) !== undefined) continue;
    if ((await ageMs(directory)) < minimumAgeMs) continue;
    await rm(directory, { recursive: true, force: true });
    said.push(`directory ${directory}: without a record`);
  }
  if (withDead) said.push(...(await removeDead(root)));
  for (const name of await namesIn(workRoot)) {
    const files = join(workRoot, name);
    const [, buildlet] = filesName.exec(name) ?? [];
    if (buildlet === undefined) continue;
    const record = recordIn(join(root, buildlet));
    const isUsed = record === 'unreadable' || (record !== undefined && filesOf(record) === files);
    if (isUsed || (await ageMs(files)) < minimumAgeMs) continue;
    await removeTree(files);
    said.push(`directory ${files}: of no buildlet`);
  }
  return said;
}

/** Removes the buildlets that have a record, but whose process has ended. */
async function removeDead(root: string): Promise<string[]> {
  const said: string[] = [];
  for (const name of await namesIn(root)) {
    const directory = join(root, name);
    const record = recordIn(directory);
    if (record === 'unreadable' || record?.pid === undefined || (await isRunning(record))) continue;
    await endLocalBuildlet(record);
    await rm(directory, { recursive: true, force: true });
    said.push(`buildlet ${name}: it has died`);
  }
  return said;
}

/** `unreadable`: there is one that is damaged, which a person has to look at. */
function recordIn(directory: string): LocalRecord | 'unreadable' | undefined {
  try {
    return readRecord(directory);
  } catch (error) {
    if (error instanceof GomoteError) return 'unreadable';
    throw error;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  if (!hasLocalRoot(directory)) return [];
  return await readdir(directory);
}

/** The age of a file or process; 0 when it is gone. */
async function ageMs(path: string): Promise<number> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined ? 0 : Date.now() - stats.mtimeMs;
}

interface BuildletProcess {
  readonly pid: number;
  readonly directory: string;
  readonly workDir: string;
}

/** The processes of buildlets that have their directory in `root`, by the options they were started with. */
async function buildletProcesses(root: string): Promise<BuildletProcess[]> {
  const found: BuildletProcess[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^[0-9]+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const words = line.split('\0');
    const after = (option: string) => words[words.indexOf(option) + 1] ?? '';
    const [directory, workDir] = [after('--remove-at-end'), after('--workdir')];
    const isOurs = words[1]?.endsWith('buildlet.js') === true && dirname(directory) === root;
    // Its work directory is removed: it must be such as is made for a buildlet of that name.
    if (!isOurs || !basename(workDir).startsWith(`gomote-${basename(directory)}-`)) continue;
    found.push({ pid: Number(name), directory, workDir });
  }
  return found;
}

async function end(pid: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      return;
    }
    await sleep(20);
  }
}
