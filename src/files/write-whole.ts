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
  /** Told of the descriptor once all is written, before it is closed; a throw leaves no file. */
  readonly onWhole?: (fd: number, sizeBytes: number) => void;
}

/** Writes all of the source to a file that must not be there; gives its size. When that fails, there is none. */
export async function writeNew(
  path: string,
  source: AsyncIterable<Uint8Array>,
  { signal, onWhole, mode, ...options }: NewFileOptions = {},
): Promise<number> {
  const chunks = source[Symbol.asyncIterator]();
  const file = await open(path, 'wx', mode).catch(async (error: unknown) => {
    await chunks.return?.();
    throw error;
  });
  try {
    const writer = createWriteStream(path, { fd: file.fd, autoClose: false, ...options });
    const pieces = { [Symbol.asyncIterator]: () => chunks };
    await pipeline(pieces, writer, signal === undefined ? {} : { signal });
    onWhole?.(file.fd, writer.bytesWritten);
    await file.close();
    return writer.bytesWritten;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(path, { force: true });
    throw error;
  }
}
