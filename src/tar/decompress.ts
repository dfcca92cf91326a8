// Decompresses a stream: gzip of one or more members, or zstd.
import type { Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { archiveErrors } from './archive-error.ts';
import { through } from './through.ts';
import { zstd } from './zstd.ts';

/** The chunk size of decompressed data, in bytes. */
const pieceBytes = 512 * 1024;
/** How many chunks are read ahead. */
const piecesAhead = 2;
const gzipHeaderBytes = 10;
const gzipMagic = Buffer.from([0x1f, 0x8b, 8]);
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

const streamOptions = {
  chunkSize: pieceBytes,
  readableHighWaterMark: piecesAhead,
  // Otherwise a reader gets everything that is ready, copied into one chunk.
  readableObjectMode: true,
};

/** The bytes of a compressed source. Fails with ERR_ARCHIVE, or with zlib's own error. */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const { transform, all } = await decompressorFor(source[Symbol.asyncIterator]());
  yield* through(all, transform);
}

/** The decompressor for the source, by its first bytes, and the source with those bytes. */
export async function decompressorFor(
  source: AsyncIterator<Uint8Array>,
): Promise<{ transform: Transform; all: AsyncGenerator<Uint8Array>; isGzip: boolean }> {
  let head = Buffer.alloc(0);
  while (head.length < gzipHeaderBytes) {
    const next = await source.next();
    if (next.done) throw archiveErrors.gzipHeaderCut();
    head = Buffer.concat([head, next.value]);
  }
  const transform = createFor(head);
  if (transform === undefined) throw archiveErrors.notGzip();
  return { transform, all: prefixed(head, source), isGzip: isGzip(head) };
}

const starts = (head: Buffer, magic: Buffer) => head.subarray(0, magic.length).equals(magic);
const isGzip = (head: Buffer) => starts(head, gzipMagic);

function createFor(head: Buffer): Transform | undefined {
  if (isGzip(head)) return createGunzip(streamOptions);
  return starts(head, zstdMagic) ? zstd?.createDecompress(streamOptions) : undefined;
}

async function* prefixed(
  head: Buffer,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield head;
  yield* { [Symbol.asyncIterator]: () => rest };
}
