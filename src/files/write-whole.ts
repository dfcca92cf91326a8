// Files that are never seen half written, also after a crash.
import type { WriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { undefinedIfAbsent } from './if-there.ts';
import { withPath } from './local-error.ts';
import { open, rename, rm, stat } from './named-fs.ts';

/** The suffix of a file that is being written. Leftovers after a crash are ignored. */
export const partialEnding = '.partial';

/**
 * Replaces the file by a private one, once its content is on the disk. On failure, the old file is still
 * there.
 *
 * @param options.keepsAccess Whether the owner, the group and the mode of the old file stay.
 */
export async function writeWhole(
  path: string,
  content: string,
  { keepsAccess = false } = {},
): Promise<void> {
  const partial = `${path}${partialEnding}`;
  try {
    const file = await open(partial, 'w', 0o600);
    try {
      if (keepsAccess) await keepAccess(file, path);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw withPath(error, path);
  }
}

/** Waits until the names in the directory are on the disk, where the system can tell. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync().catch(() => undefined);
  } finally {
    await directory.close();
  }
}

async function keepAccess(file: FileHandle, path: string): Promise<void> {
  const own = await file.stat();
  const old = (await stat(path).catch(undefinedIfAbsent)) ?? own;
  if (own.uid !== old.uid || own.gid !== old.gid) await file.chown(old.uid, old.gid);
  await file.chmod(old.mode & 0o777);
}

export interface NewFileOptions {
  /** Default: what the umask leaves of 0o666. */
  readonly mode?: number;
  /** How much is buffered while the disk is busy, in bytes. */
  readonly highWaterMark?: number;
  readonly signal?: AbortSignal;
  /** Called with the descriptor once all is written, before it is closed; a throw leaves no file. */
  readonly onWhole?: (fd: number, sizeBytes: number) => void;
}

/** Writes the source to a new file, which must not exist, and returns its size. On failure, no file is left. */
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
  // The stream shares the handle, which is closed once, and never while a write is under way. A stream on its bare number
  // closes that as well, `autoClose` or not, and by then the number may be another file's.
  const writer = file.createWriteStream({ autoClose: false, ...options });
  try {
    const pieces = { [Symbol.asyncIterator]: () => chunks };
    await pipeline(pieces, writer, signal === undefined ? {} : { signal });
    onWhole?.(file.fd, writer.bytesWritten);
    await closed(file, writer);
    return writer.bytesWritten;
  } catch (error) {
    await closed(file, writer).catch(() => undefined);
    await rm(path, { force: true });
    throw error;
  }
}

async function closed(file: FileHandle, writer: WriteStream): Promise<void> {
  // The handle closes after its last user; closing it reports failures.
  writer.on('error', () => undefined).destroy();
  await file.close();
}
