// Files that are never seen half written, also after a crash.
import { open, rename } from 'node:fs/promises';

/** The ending of a file that is being written; what is left of one after a crash means nothing. */
export const partialEnding = '.partial';

/** Replaces the file by one of its owner's alone, once its content is on the disk. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const partial = `${path}${partialEnding}`;
  const file = await open(partial, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}
