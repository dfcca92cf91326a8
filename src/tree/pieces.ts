// Splits a stream into pieces that are large enough to compress by themselves.
const pieceBytes = 1 << 20;

/** The same bytes in chunks of at most a MiB; for an empty stream, one empty chunk. */
export async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafe(pieceBytes);
  let used = 0;
  let isEmpty = true;
  for await (const chunk of source) {
    for (let start = 0; start < chunk.length; ) {
      const taken = Math.min(chunk.length - start, pieceBytes - used);
      piece.set(chunk.subarray(start, start + taken), used);
      used += taken;
      start += taken;
      if (used < pieceBytes) continue;
      yield piece;
      isEmpty = false;
      piece = Buffer.allocUnsafe(pieceBytes);
      used = 0;
    }
  }
  if (used > 0 || isEmpty) yield piece.subarray(0, used);
}
