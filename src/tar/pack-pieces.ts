// Tree streams on the wire: packed or as they are, for each file in them has its own proof. What packs is loaded on
// first use: most commands need none of it.
import type { Compression } from '../protocol/transfer.ts';

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** What a network takes for a piece at first: what is packed at all is packed for a network. */
const networkMs = 60;

/** The pieces, of at most a MiB each, packed; with `none` as they are. */
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

/** What {@link packPieces} made them of. Fails with ERR_ARCHIVE, or with zlib's own error. */
export const unpackPieces = (
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterable<Uint8Array> => (compression === 'none' ? source : unpacked(source));

async function* unpacked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { decompressed } = await import('./decompress.ts');
  yield* decompressed(source);
}
