// Both streams of a run as one text: each line after its time and the name of its stream.
import type { OutputRecorder, Piece, StreamName } from './recorder.ts';

/** The approximate size limit of the text, in bytes: of longer output, only the end is kept. */
const limitBytes = 32 << 20;

const prefixBytes = 33;
const newline = 10;

export function* outputText({
  head,
  dropped,
  tail,
}: ReturnType<OutputRecorder['kept']>): Generator<Buffer> {
  const lastPieces = endOf(tail, limitBytes / 2);
  const firstPieces = endOf(head, limitBytes / 2);
  const left = dropped + bytesOf(tail) - bytesOf(lastPieces);
  const early = bytesOf(head) - bytesOf(firstPieces);
  if (early > 0) yield leftOut(early);
  yield* linesOf(firstPieces);
  if (left > 0) yield leftOut(left);
  yield* linesOf(lastPieces);
}

const leftOut = (bytes: number): Buffer => Buffer.from(`... ${bytes} bytes are left out ...\n`);

const bytesOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** The last pieces whose text is within the limit. */
function endOf(pieces: readonly Piece[], limit: number): readonly Piece[] {
  let size = 0;
  const last = pieces.findLastIndex(({ bytes }) => {
    size += textBytes(bytes);
    return size > limit;
  });
  return pieces.slice(last + 1);
}

function textBytes(bytes: Buffer): number {
  let size = bytes.length + 2 * prefixBytes;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1))
    size += prefixBytes;
  return size;
}

function* linesOf(pieces: readonly Piece[]): Generator<Buffer> {
  let open: StreamName | undefined;
  for (const { stream, atMs, bytes } of pieces) {
    if (open !== undefined && open !== stream) {
      yield Buffer.from('\n');
      open = undefined;
    }
    const prefix = Buffer.from(`${new Date(atMs).toISOString()} ${stream}| `);
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(newline, at) + 1 || bytes.length;
      if (open === undefined) yield prefix;
      yield bytes.subarray(at, end);
      open = bytes[end - 1] === newline ? undefined : stream;
      at = end;
    }
  }
  if (open !== undefined) yield Buffer.from('\n');
}
