// Leftovers of a process that was killed during a create: processes and directories without
// a record, which nothing else would find; and dead buildlets.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError } from '../../errors.ts';
import { readOfProcess, trySignal } from '../../files/process-file.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { clearStrays } from './own-users.ts';
import { hasLocalRoot, type LocalPlaces } from './places.ts';
import { endLocalBuildlet, isRunning } from './process.ts';
import { filesOf, type LocalRecord, readRecord } from './record.ts';

/** Matches the name of a buildlet's directory. */
const buildletName = /^[\w.-]+-[0-9]+$/;

/** Matches the name of a work directory, with the buildlet's name. */
const filesName = /^gomote-([\w.-]+-[0-9]+)-[0-9a-f]{8}$/;

export interface ReapOptions {
  readonly minimumAgeMs: number;
  /** Whether buildlets that have died are removed, too. */
  readonly withDead: boolean;
}

/** Ends and removes leftovers older than `minimumAgeMs`, and returns a line for each. Processes are found on Linux only. */
export async function reapLocal(
  places: LocalPlaces,
  { minimumAgeMs, withDead }: ReapOptions,
): Promise<string[]> {
  const { root } = places;
  const workRoot = await places.workRoot();
  const said: string[] = places.users === undefined ? [] : await clearStrays(root, places.users);
  for (const { pid, directory, files } of await buildletProcesses(root, workRoot)) {
    const record = recordIn(directory);
    if (record === 'unreadable' || record?.pid === pid) continue;
    if ((await ageMs(`/proc/${pid}`)) < minimumAgeMs) continue;
    await end(pid);
    await removeTree(files);
    said.push(`process ${pid}: a buildlet without a record`);
  }
  for (const name of await namesIn(root)) {
    const directory = join(root, name);
    if (!buildletName.test(name) || recordIn(directory) !== undefined) continue;
    if ((await ageMs(directory)) < minimumAgeMs) continue;
    await removeTree(directory);
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
    await removeTree(directory);
    said.push(`buildlet ${name}: it has died`);
  }
  return said;
}

/** `unreadable`: there is a damaged one, which a person must look at. */
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

/** The age of a file or process; 0 when it does not exist. */
async function ageMs(path: string): Promise<number> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined ? 0 : Date.now() - stats.mtimeMs;
}

interface BuildletProcess {
  readonly pid: number;
  /** Of the buildlet itself. */
  readonly directory: string;
  /** Of its work. */
  readonly files: string;
}

/**
 * This user's buildlet processes with directories in these places, found by their options.
 * A process's arguments prove nothing, and the directories they name are removed: they must have the form of a buildlet's.
 */
async function buildletProcesses(root: string, workRoot: string): Promise<BuildletProcess[]> {
  const found: BuildletProcess[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^[0-9]+$/.test(name) || !(await isOwn(`/proc/${name}`))) continue;
    const words = String((await readOfProcess(name, 'cmdline')) ?? '').split('\0');
    if (words[1]?.endsWith('buildlet.js') !== true) continue;
    const removed = words.filter((_, at) => words[at - 1] === '--remove-at-end');
    const directory = removed.find((path) => dirname(path) === root);
    const files = removed.find((path) => dirname(path) === workRoot);
    const [, buildlet] = filesName.exec(basename(files ?? '')) ?? [];
    if (directory === undefined || files === undefined || buildlet !== basename(directory))
      continue;
    found.push({ pid: Number(name), directory, files });
  }
  return found;
}

const isOwn = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.uid === process.getuid?.();

async function end(pid: number): Promise<void> {
  for (let tries = 0; tries < 100 && trySignal(pid, 'SIGKILL'); tries++) await sleep(20);
}
