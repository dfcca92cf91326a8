// What a process that was killed in the middle of a create left of local buildlets: processes and directories without
// a record, which nothing else would find.
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeTree } from '../buildlet/remove-tree.ts';
import { readRecord } from './local-record.ts';

/** Ends and removes what is older than `minimumAgeMs`, and says what, a line each. Processes are found on Linux only. */
export async function reapLocal(root: string, minimumAgeMs: number): Promise<string[]> {
  const said: string[] = [];
  for (const { pid, directory, workDir } of await buildletProcesses(root)) {
    if (readRecord(directory)?.pid === pid) continue;
    if ((await ageMs(`/proc/${pid}`)) < minimumAgeMs) continue;
    await end(pid);
    await removeTree(workDir);
    said.push(`process ${pid}: a buildlet without a record`);
  }
  for (const name of await readdir(root).catch(() => [])) {
    const directory = join(root, name);
    if (readRecord(directory) !== undefined || (await ageMs(directory)) < minimumAgeMs) continue;
    await rm(directory, { recursive: true, force: true });
    said.push(`directory ${directory}: without a record`);
  }
  return said;
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
    // Its work dir is removed: it must be such as is made for a buildlet of that name.
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
