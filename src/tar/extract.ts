// Extracts a compressed tar stream with synchronous system calls: what the worker thread does.
import { pipeline } from 'node:stream/promises';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import type { StoppableSource } from '../worker/stoppable-source.ts';
import { archiveErrors } from './archive-error.ts';
import { decompressorFor } from './decompress.ts';
import { Extraction, type ExtractionOptions } from './extraction.ts';
import { releaseAtEnd } from './release.ts';
import { TarReader } from './tar-reader.ts';

/** Regular files written, and the bytes in them. */
export interface UnpackTotals {
  files: number;
  bytes: number;
  /** What the sender should know. */
  warnings: string[];
}

/** After how many written bytes the thread lets decompression continue. */
const turnBytes = 128 << 10;

/** What the thread is to do. */
export interface UnpackJob extends ExtractionOptions {
  root: string;
  dir: string;
}

/** Extracts `source` into `dir` below `root`. What it throws is documented at `unpackTar`. */
export async function extract(
  source: StoppableSource,
  { root, dir, ...options }: UnpackJob,
): Promise<UnpackTotals> {
  const extraction = new Extraction(root, dir, options);
  const reader = new TarReader(extraction);
  try {
    await read(source, reader);
    extraction.finish();
    const warnings = reader.hasSecond
      ? ['a second archive follows the first in the same stream; it was not read']
      : [];
    return { ...extraction.totals, warnings };
  } finally {
    extraction.discard();
  }
}

/** Feeds the whole archive to the reader. */
async function read(source: StoppableSource, reader: TarReader): Promise<void> {
  let failure: unknown;
  let done = false;
  let isWhole: () => boolean = () => false;
  let bytes = 0;
  const consume = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        for (let at = 0; at < piece.length; at += turnBytes) {
          if (at > 0) await new Promise((resolve) => setImmediate(resolve));
          source.throwIfStopped();
          reader.push(piece.subarray(at, at + turnBytes));
        }
        // Decompression fills one buffer after the other.
        releaseAtEnd(piece);
      }
      reader.finish(isWhole());
      done = true;
    } catch (error) {
      failure = explainFailure(error, reader);
    } finally {
      // Ignore what follows the last gzip member, and everything after a failure.
      source.stop(new Error('the reader has finished'));
    }
  };
  try {
    const { transform, all, isGzip } = await decompressorFor(source.chunks());
    const tail = new Tail();
    // One frame of zstd is read and no more. Of gzip there may be several members, and a cut between two shows in nothing.
    isWhole = () => !isGzip || tail.endsMemberOf(bytes);
    await pipeline(tail.through(all), transform, consume);
  } catch (error) {
    failure ??= explainFailure(error, reader);
  }
  if (!done) throw failure;
}

/** The last bytes of a stream. */
class Tail {
  #bytes = Buffer.alloc(0);

  async *through(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(-4)]).subarray(-4);
      yield chunk;
    }
  }

  /** Whether the last four bytes are the size that ends a gzip member of this many bytes: then it is the only one. */
  endsMemberOf(bytes: number): boolean {
    return this.#bytes.length === 4 && this.#bytes.readUInt32LE() === bytes % 2 ** 32;
  }
}

function explainFailure(error: unknown, reader: TarReader): unknown {
  if (error instanceof GomoteError) return error;
  const code = errnoOf(error);
  if (code === 'Z_BUF_ERROR') return archiveErrors.cutShort(reader.openName, error);
  if (code?.startsWith('Z_') || code?.startsWith('ZSTD_')) {
    return archiveErrors.corrupt(messageOf(error), reader.lastName, error);
  }
  return error;
}
