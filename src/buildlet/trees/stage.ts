// The directory for a tree that is made ahead. A buildlet that is killed leaves it, and the next one in the same temporary
// directory removes it.
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lockHolder, takeFileLock } from '../../files/file-lock.ts';
import { hasPrivateDirectory } from '../../files/private-directory.ts';
import { removeTree } from '../../files/remove-tree.ts';

const name = 'ahead';

/** Only the holder's process is looked at, so that it need not touch its lock. */
const beatMs = 24 * 3_600_000;

/** In a private directory of this process. It is removed with that directory. */
export const stageIn = (scratch: string): string => join(scratch, name);

/** Returns what releases its lock. */
export async function makeStage(scratch: string): Promise<() => Promise<void>> {
  const release = await takeFileLock(lockIn(scratch), { beatMs });
  mkdirSync(stageIn(scratch), { mode: 0o700 });
  return release;
}

/** Removes what processes that were killed have left, in directories of this user with the prefix. */
export async function removeLeftStages(parent: string, prefix: string): Promise<void> {
  for (const each of readdirSync(parent)) {
    if (each.startsWith(prefix)) await removeLeft(join(parent, each)).catch(() => undefined);
  }
}

async function removeLeft(scratch: string): Promise<void> {
  if (!hasPrivateDirectory(scratch, 'the temporary directory')) return;
  const lock = lockIn(scratch);
  if (statSync(lock, { throwIfNoEntry: false }) === undefined) return;
  if ((await lockHolder(lock)) !== undefined) return;
  await removeTree(stageIn(scratch));
  await rm(lock, { force: true });
}

/** The ids of processes mean something in one namespace. */
function lockIn(scratch: string): string {
  const namespace = statSync('/proc/self/ns/pid', { throwIfNoEntry: false })?.ino ?? 0;
  return join(scratch, `${name}-${namespace}.lock`);
}
