// Tree streams on the wire: packed or as they are, for each file in them has its own proof.
import type { Compression } from '../protocol/transfer.ts';
import { compressed } from './compress.ts';
import { decompressed } from './decompress.ts';

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The pieces, of at most a MiB each, packed; with `none` as they are. */
export function packPieces(
  pieces: Pieces,
  compression: Compression,
  signal: AbortSignal | undefined,
): Pieces {
  if (compression === 'none') return pieces;
  return compressed(buffers(pieces), compression, signal);
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
): AsyncIterable<Uint8Array> => (compression === 'none' ? source : decompressed(source));
