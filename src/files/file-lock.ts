// Lock files that are never seen half written: a reader could take one without content for nobody's.
import { randomUUID } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';

/** Makes the lock file with its content, for this user alone; false when there is one. */
export async function makeLock(path: string, content: string): Promise<boolean> {
  const whole = `${path}.${randomUUID()}`;
  try {
    const file = await open(whole, 'wx', 0o600);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    await link(whole, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(whole, { force: true });
  }
}
