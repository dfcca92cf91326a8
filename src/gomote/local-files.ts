// Local files: read as a stream, and written atomically.
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GomoteError, isGomoteError } from '../errors.ts';
import { exactTime } from '../files/exact-time.ts';
import { ownMode, sentMode } from '../files/file-modes.ts';
import { localError } from '../files/local-error.ts';
import { chmod, createWriteStream, open, rename, rm, stat, utimes } from '../files/named-fs.ts';
import { partialName } from '../files/reserved-names.ts';
import { writeNew } from '../files/write-whole.ts';

export interface Source {
  /** Permission bits; undefined for standard input. */
  readonly mode: number | undefined;
  /** Undefined for standard input and for special files. */
  readonly sizeBytes: number | undefined;
  /** Opens the file, and closes it when `send` has finished. */
  use<T>(send: (bytes: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T>;
}

/** Checks that the file can be read, before any request; `-` is the input, if one is given. */
export async function openSource(
  file: string,
  input: { readonly stdin: Readable } | undefined,
  directoryHint: string,
): Promise<Source> {
  if (file === '-' && input !== undefined) {
    const { stdin } = input;
    return {
      mode: undefined,
      sizeBytes: undefined,
      use: (send) => send(stdin).finally(() => stdin.destroy()),
    };
  }
  try {
    const handle = await open(file, 'r');
    const stats = await handle.stat();
    if (stats.isDirectory()) {
      await handle.close();
      throw new GomoteError('ERR_USAGE', `"${file}" is a directory`, { hint: directoryHint });
    }
    const chunks = handle.createReadStream({ highWaterMark: 256 << 10 });
    return {
      mode: sentMode(stats, handle.fd) & 0o777,
      sizeBytes: stats.isFile() ? stats.size : undefined,
      use: async (send) => {
        try {
          return await send(chunks);
        } finally {
          chunks.destroy();
        }
      },
    };
  } catch (error) {
    throw isGomoteError(error) ? error : localError('read', file, error);
  }
}

export interface Attributes {
  readonly mode: number;
  readonly mtimeMs: number;
}

/** Writes the stream to a temporary file, which is renamed to `file` when it is complete. */
export async function writeWhole(
  file: string,
  source: AsyncIterable<Uint8Array>,
  attributes?: Attributes,
): Promise<void> {
  const partial = join(dirname(file), partialName());
  const direct = (await stat(file).catch(() => undefined))?.isFile() === false;
  try {
    // Write directly to a device or a FIFO, such as /dev/null.
    if (direct) return await pipeline(source, createWriteStream(file));
    await writeNew(partial, source, attributes && { mode: 0o600 });
    if (attributes !== undefined) {
      const time = exactTime(attributes.mtimeMs);
      await chmod(partial, ownMode(attributes.mode));
      await utimes(partial, time, time);
    }
    await rename(partial, file);
  } catch (error) {
    if (!direct) await rm(partial, { force: true });
    throw isGomoteError(error) ? error : localError('write', file, error);
  }
}
