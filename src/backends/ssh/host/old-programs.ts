// Removes programs of other versions that are no longer used.
import { readdir, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readOfProcess } from '../../../files/process-file.ts';
import { removeTree } from '../../../files/remove-tree.ts';
import { packageRoot } from '../../../package-root.ts';

/** How long programs are kept after their last use, in ms: users of one host may have different versions. */
const keptMs = 30 * 24 * 3_600_000;

/** Names in the cache directory: programs, a Node, and leftovers of an interrupted copy. */
const program = /^[0-9a-f]{16}$/;
const node = /^node-v[\w.-]+$/;
const partial = /^([0-9a-f]{16}\.[0-9]+\.partial|partial-[0-9]+-node-v[\w.-]+)$/;

const partialMs = 24 * 3_600_000;

const own = packageRoot.replace(/\/$/, '');

/** Records that these programs are in use. */
export async function touchPrograms(): Promise<void> {
  const now = new Date();
  await utimes(own, now, now).catch(() => undefined);
}

/** Returns a line for each thing removed. */
export async function removeOldPrograms(): Promise<string[]> {
  const cache = dirname(own);
  const commands = await commandLines();
  const said: string[] = [];
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    if (name === basename(own)) continue;
    const limitMs = partial.test(name) ? partialMs : keptMs;
    if (!program.test(name) && !node.test(name) && !partial.test(name)) continue;
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < limitMs) continue;
    if (commands.some((line) => line.includes(`${path}\0`) || line.includes(`${path}/`))) continue;
    await removeTree(path);
    said.push(`${path}: not used for long`);
  }
  return said;
}

/** The command lines of all processes; empty where they are not available. */
async function commandLines(): Promise<string[]> {
  const names = (await readdir('/proc').catch(() => [])).filter((name) => /^[0-9]+$/.test(name));
  const lines: string[] = [];
  for (const name of names) lines.push(String((await readOfProcess(name, 'cmdline')) ?? ''));
  return lines;
}
