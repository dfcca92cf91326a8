// A directory as a .tar.gz stream.
import { lstat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { abortError, localFileError } from './archive-error.ts';
import { resolveInside } from './confine.ts';
import { TarBlocks } from './tar-blocks.ts';

export interface PackOptions {
  /** Whether the stream must be one gzip member. Default: several, compressed side by side. */
  release?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** The fastest. On a fast network a better one costs more time than it saves: three times as much at level 6. */
const compression = { level: 1 };
/** Node's thread pool has four threads unless told otherwise. */
const maxThreads = 4;
/** CRC-32 and length, the proof that a gzip member is whole. */
const gzipTrailerBytes = 8;

/**
 * The .tar.gz of `dir`, a path of the protocol below `root`. Names are relative to it; a directory's end in `/`;
 * entries are depth-first, each directory sorted by name as bytes. A regular file gives one entry with its base
 * name.
 *
 * Symbolic links, FIFOs, permissions and times in whole seconds are kept; owners and sockets are not, and of hard
 * links each is a file.
 *
 * Before the first byte it throws ERR_PATH for `dir` and ERR_LOCAL_FILE when there is no such file. Later failures
 * leave a stream that no reader takes for a whole one: ERR_LOST when a file was changed while it was read,
 * ERR_LOCAL_FILE for one that cannot be read, ERR_ARCHIVE for a device or a name that is not UTF-8, ERR_ABORTED.
 */
export async function* packTarGz(
  root: string,
  dir: string,
  options: PackOptions = {},
): AsyncGenerator<Buffer, void, void> {
  const { signal } = options;
  if (signal?.aborted) throw abortError('packing', signal);
  const path = await resolveInside(root, dir, { follow: true });
  const stats = await lstat(path).catch((error: unknown) => {
    throw localFileError(`lstat ${join(resolve(root), dir)}`, error);
  });
  const pieces = TarBlocks.pieces(path, basename(path), stats);
  // Between two steps the reader may be idle for long: an open file must not wait for it.
  const abort = () => pieces.return();
  signal?.addEventListener('abort', abort);
  try {
    yield* options.release ? oneMember(pieces, signal) : manyMembers(pieces, signal);
  } catch (error) {
    throw signal?.aborted ? abortError('packing', signal) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
    pieces.return();
  }
}

async function* oneMember(
  pieces: Generator<Buffer, void, void>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, void> {
  const compressed = createGzip(compression);
  const fed = pipeline(pieces, compressed, signal === undefined ? {} : { signal });
  // Its failure also ends `compressed`, and is thrown from there.
  fed.catch(() => {});
  try {
    yield* compressed;
    await fed;
  } finally {
    compressed.destroy();
  }
}

/** Compresses each piece by itself, as many at a time as there are processors. */
async function* manyMembers(
  pieces: Generator<Buffer, void, void>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, void> {
  const threads = Math.min(availableParallelism(), maxThreads);
  const running: Promise<Buffer>[] = [];
  const oldest = async (): Promise<Buffer> => {
    const member = await running.shift();
    signal?.throwIfAborted();
    return member ?? Buffer.alloc(0);
  };
  let failure: { error: unknown } | undefined;
  try {
    for (const piece of pieces) {
      signal?.throwIfAborted();
      const member = promisify(gzip)(piece, compression);
      member.catch(() => {});
      running.push(member);
      if (running.length > threads) yield await oldest();
    }
  } catch (error) {
    failure = { error };
  }
  // The last member is held back to the end: when reading failed it goes out cut, as a whole one could pass for
  // the end of the archive.
  while (running.length > 1) yield await oldest();
  signal?.throwIfAborted();
  const last = running.length > 0 ? await oldest() : Buffer.alloc(0);
  if (failure === undefined) yield last;
  else if (last.length > 0) yield last.subarray(0, -gzipTrailerBytes);
  if (failure !== undefined) throw failure.error;
}
