// Programs that change one file take turns: whoever makes the lock beside it is the one, the others wait.

import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, GomoteError } from '../../errors.ts';
import { makeLock } from '../../files/file-lock.ts';

export interface TurnOptions {
  /** A lock as old as this, in ms, was left by a program that died: a turn takes much less. Default 10,000. */
  readonly staleMs?: number | undefined;
  /** How long to wait for the others, in ms. Default 60,000. */
  readonly patienceMs?: number | undefined;
}

const pauseMs = 10;

/** Does `work` while no other program has its turn at the file. Throws ERR_CONFLICT when the wait has no end. */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  { staleMs = 10_000, patienceMs = 60_000 }: TurnOptions = {},
): Promise<T> {
  const lock = `${path}.lock`;
  const id = randomUUID();
  const startMs = performance.now();
  while (!(await makeLock(lock, id))) {
    if (performance.now() - startMs > patienceMs) {
      throw new GomoteError('ERR_CONFLICT', `another program has been changing ${path} for long`, {
        hint: `see who does; if nobody does, remove ${lock}`,
      });
    }
    if (!(await removeStale(lock, staleMs))) await sleep(pauseMs + Math.random() * pauseMs);
  }
  try {
    return await work();
  } finally {
    if ((await readFile(lock, 'utf8').catch(() => '')) === id) await rm(lock, { force: true });
  }
}

/** Removes the lock if its owner has died; true when the turn may be free. */
async function removeStale(lock: string, staleMs: number): Promise<boolean> {
  const before = await stat(lock).catch(() => undefined);
  if (before === undefined) return true;
  if (Date.now() - before.mtimeMs < staleMs) return false;
  // Of several that find it stale, one moves it away; were it another's new one by then, it is put back.
  const aside = `${lock}.${randomUUID()}`;
  try {
    await rename(lock, aside);
    if ((await stat(aside)).ino !== before.ino) await link(aside, lock);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  }
  await rm(aside, { force: true });
  return true;
}
