// Extracts a .tar.gz stream into a directory.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import { abortError, archiveErrors } from './archive-error.ts';
import { Extraction } from './extraction.ts';
import { StoppableSource } from './stoppable-source.ts';
import { TarReader } from './tar-reader.ts';

export interface UnpackOptions {
  /** The directory that nothing may leave. */
  root: string;
  /** Where to extract to: a path of the protocol, relative to `root`; made when absent. */
  dir: string;
  signal?: AbortSignal | undefined;
}

export interface UnpackTotals {
  /** Regular files written. */
  files: number;
  /** Bytes in them. */
  bytes: number;
}

/** Both of gzip and of tar: between two pieces the event loop gets its turn. */
const pieceBytes = 64 * 1024;
const gzipHeaderBytes = 10;
const gzipMagic = Buffer.from([0x1f, 0x8b, 8]);

/**
 * Extracts `source`, a .tar.gz of one or more gzip members, into `dir` below `root`.
 *
 * Modes and times are kept, owners are not. Files appear under their names only when they are whole; what was
 * extracted before a failure stays. A Node stream is read, but not destroyed when the extraction fails: it may be a
 * request that still has to be answered.
 *
 * Throws ERR_ARCHIVE for an archive that is damaged, cut short, or leads out of its directory; ERR_PATH for `dir`;
 * ERR_LOCAL_FILE for what the file system refuses; ERR_LOST when `source` fails; ERR_ABORTED.
 */
export async function unpackTarGz(
  source: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<UnpackTotals> {
  const { signal } = options;
  if (signal?.aborted) throw abortError('unpacking', signal);
  const extraction = new Extraction(options.root, options.dir);
  const reader = new TarReader(extraction);
  const stoppable = new StoppableSource(
    source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source,
  );
  const abort = () => {
    if (signal) stoppable.stop(abortError('unpacking', signal));
  };
  signal?.addEventListener('abort', abort);
  try {
    await read(stoppable, reader);
    await extraction.finish(signal);
    return extraction.totals;
  } finally {
    signal?.removeEventListener('abort', abort);
    extraction.discard();
  }
}

/** Feeds the whole archive to the reader. */
async function read(source: StoppableSource, reader: TarReader): Promise<void> {
  let failure: unknown;
  let done = false;
  const consume = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
    try {
      for await (const piece of pieces) {
        source.throwIfStopped();
        reader.push(piece);
      }
      reader.finish();
      done = true;
    } catch (error) {
      failure = explained(error, reader);
    } finally {
      // What follows the last gzip member is of no interest, and after a failure nothing is.
      source.stop(new Error('the reader has finished'));
    }
  };
  try {
    await pipeline(gzipPieces(source), createGunzip({ chunkSize: pieceBytes }), consume);
  } catch (error) {
    failure ??= explained(error, reader);
  }
  if (!done) throw failure;
}

/** The source in small pieces, once it is known to be gzip. */
async function* gzipPieces(source: StoppableSource): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source.chunks()) {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (head !== undefined) {
      bytes = head = Buffer.concat([head, bytes]);
      if (head.length < gzipHeaderBytes) continue;
      if (!head.subarray(0, gzipMagic.length).equals(gzipMagic)) throw archiveErrors.notGzip();
      head = undefined;
    }
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      yield bytes.subarray(start, start + pieceBytes);
    }
  }
  if (head !== undefined) throw archiveErrors.gzipHeaderCut();
}

function explained(error: unknown, reader: TarReader): unknown {
  if (error instanceof GomoteError) return error;
  const code = errnoOf(error);
  if (code === 'Z_BUF_ERROR') return archiveErrors.cutShort(reader.openName, error);
  if (code?.startsWith('Z_')) {
    return archiveErrors.corrupt(messageOf(error), reader.lastName, error);
  }
  return error;
}
