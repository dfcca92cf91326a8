// A directory as a compressed tar stream.
import { lstat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Compression } from '../protocol/transfer.ts';
import { abortError, localFileError } from './archive-error.ts';
import { fastestGzip, pieceCompressor } from './compress.ts';
import { resolveInside } from './confine.ts';
import { type PackTotals, TarBlocks } from './tar-blocks.ts';

export type { PackTotals } from './tar-blocks.ts';

export interface PackOptions {
  /** Default `gzip`. `none` is gzip, too: its pieces are stored as they are, each with its checksum. */
  compress?: Compression | undefined;
  /** Whether the stream must be one gzip member. Default: several, compressed side by side. */
  release?: boolean | undefined;
  /**
   * Only these, relative to `dir`, in this order; a directory stands for its own entry, not for what is in it.
   * Default: everything. One that is absent fails with ERR_LOST, one that leads out of `dir` with ERR_PATH.
   */
  paths?: Iterable<string> | undefined;
  /** Is counted up while packing. */
  totals?: PackTotals | undefined;
  signal?: AbortSignal | undefined;
}

/** Node's thread pool has four threads unless told otherwise. */
const maxThreads = 4;
/** CRC-32 and length, the proof that a gzip member is whole; a zstd frame ends in a checksum of half that. */
const trailerBytes = 8;

/**
 * `dir`, a path of the protocol below `root`, as tar in gzip or zstd. Names are relative to it; a directory's end in
 * `/`; entries are depth-first, each directory sorted by name as bytes. A regular file gives one entry with its base
 * name.
 *
 * Symbolic links, FIFOs, permissions and times in whole seconds are kept; owners and sockets are not, and of hard
 * links each is a file.
 *
 * Before the first byte it throws ERR_PATH for `dir` and ERR_LOCAL_FILE when there is no such file. Later failures
 * leave a stream that no reader takes for a whole one: ERR_LOST when a file was changed while it was read,
 * ERR_LOCAL_FILE for one that cannot be read, ERR_ARCHIVE for a device or a name that is not UTF-8, ERR_ABORTED.
 */
export async function* packTar(
  root: string,
  dir: string,
  options: PackOptions = {},
): AsyncGenerator<Buffer, void, void> {
  const { signal, paths, compress = 'gzip', totals = { files: 0, bytes: 0 } } = options;
  if (signal?.aborted) throw abortError('packing', signal);
  const path = await resolveInside(root, dir, { follow: true });
  const stats = await lstat(path).catch((error: unknown) => {
    throw localFileError(`lstat ${join(resolve(root), dir)}`, error);
  });
  const blocks = new TarBlocks(totals);
  const pieces =
    paths === undefined ? blocks.pieces(path, basename(path), stats) : blocks.listed(path, paths);
  // Between two steps the reader may be idle for long: an open file must not wait for it.
  const abort = () => pieces.return();
  signal?.addEventListener('abort', abort);
  try {
    yield* options.release ? oneMember(pieces, signal) : manyMembers(pieces, compress, signal);
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
  const compressed = createGzip(fastestGzip);
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
  compression: Compression,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, void> {
  const compressor = pieceCompressor(compression);
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
      const member = compressor.compress(piece);
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
  else if (last.length > 0) yield last.subarray(0, -trailerBytes);
  if (failure !== undefined) throw failure.error;
}
