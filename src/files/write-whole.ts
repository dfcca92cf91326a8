// Files that are never seen half written, also after a crash.
import { pipeline } from 'node:stream/promises';
import { createWriteStream, open, rename, rm } from './named-fs.ts';

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

export interface NewFileOptions {
  /** Default: what the umask leaves of 0o666. */
  readonly mode?: number;
  /** How much is gathered while the disk is busy, in bytes. */
  readonly highWaterMark?: number;
  readonly signal?: AbortSignal;
}

/** Writes all of the source to a file that must not be there; gives its size. When that fails, there is none. */
export async function writeNew(
  path: string,
  source: AsyncIterable<Uint8Array>,
  { signal, ...options }: NewFileOptions = {},
): Promise<number> {
  const file = createWriteStream(path, { flags: 'wx', ...options });
  let isMade = false;
  file.once('open', () => {
    isMade = true;
  });
  const closed = new Promise<void>((resolve) => file.once('close', () => resolve()));
  try {
    await pipeline(source, file, signal === undefined ? {} : { signal });
    return file.bytesWritten;
  } catch (error) {
    // A source that fails at once does so before the file is open.
    await closed;
    if (isMade) await rm(path, { force: true });
    throw error;
  }
}
