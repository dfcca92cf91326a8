// Extracts a compressed tar stream with synchronous system calls: what the worker thread does.
import { pipeline } from 'node:stream/promises';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import { archiveErrors } from './archive-error.ts';
import { decompressorFor } from './decompress.ts';
import { Extraction } from './extraction.ts';
import { releaseAtEnd } from './release.ts';
import type { StoppableSource } from './stoppable-source.ts';
import { TarReader } from './tar-reader.ts';

/** Regular files written, and the bytes in them. */
export interface UnpackTotals {
  files: number;
  bytes: number;
}

/** So often while it writes does the thread see to it that decompressing goes on, in bytes. */
const turnBytes = 128 << 10;

/** What the thread is to do. */
export interface UnpackJob {
  root: string;
  dir: string;
}

/** Extracts `source` into `dir` below `root`. What it throws is documented at `unpackTar`. */
export async function extract(
  source: StoppableSource,
  root: string,
  dir: string,
): Promise<UnpackTotals> {
  const extraction = new Extraction(root, dir);
  try {
    await read(source, new TarReader(extraction));
    extraction.finish();
    return extraction.totals;
  } finally {
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
        for (let at = 0; at < piece.length; at += turnBytes) {
          if (at > 0) await new Promise((resolve) => setImmediate(resolve));
          source.throwIfStopped();
          reader.push(piece.subarray(at, at + turnBytes));
        }
        // Decompressing fills one buffer after the other, each to its end.
        releaseAtEnd(piece);
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
    const { transform, all } = await decompressorFor(source.chunks());
    await pipeline(all, transform, consume);
  } catch (error) {
    failure ??= explained(error, reader);
  }
  if (!done) throw failure;
}

function explained(error: unknown, reader: TarReader): unknown {
  if (error instanceof GomoteError) return error;
  const code = errnoOf(error);
  if (code === 'Z_BUF_ERROR') return archiveErrors.cutShort(reader.openName, error);
  if (code?.startsWith('Z_') || code?.startsWith('ZSTD_')) {
    return archiveErrors.corrupt(messageOf(error), reader.lastName, error);
  }
  return error;
}
