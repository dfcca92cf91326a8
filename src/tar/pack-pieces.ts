// Tree streams on the wire, compressed or not: each file in them has its own digest. Compression is loaded on
// first use: most commands need none of it.
import type { Compression } from '../protocol/transfer.ts';

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The initial estimate of a network's speed: streams are compressed only for networks. */
const networkMs = 60;

/** Compresses the chunks, of at most a MiB each; `none` passes them on. */
export const packPieces = (
  pieces: Pieces,
  compression: Compression,
  signal: AbortSignal | undefined,
): Pieces => (compression === 'none' ? pieces : packed(pieces, compression, signal));

async function* packed(
  pieces: Pieces,
  compression: Compression,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { compressed, Pace } = await import('./compress.ts');
  yield* compressed(buffers(pieces), compression, signal, new Pace(networkMs));
}

async function* buffers(pieces: Pieces): AsyncGenerator<Buffer> {
  for await (const { buffer, byteOffset, byteLength } of pieces) {
    yield Buffer.from(buffer, byteOffset, byteLength);
  }
}

/** The inverse of {@link packPieces}. Fails with ERR_ARCHIVE, or with zlib's own error. */
export const unpackPieces = (
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterable<Uint8Array> => (compression === 'none' ? source : unpacked(source));

async function* unpacked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { decompressed } = await import('./decompress.ts');
  yield* decompressed(source);
}
