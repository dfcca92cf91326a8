// The types of content that a caller can pass.
import { GomoteError } from '../errors.ts';

/** Text, bytes in any form, or a stream of bytes: a Node stream, a web stream, or another iterable. */
export type Source =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** Converts the source to a stream. A stream is returned unchanged, so that the sender can attach to it synchronously. */
export function bytesOf(source: Source): AsyncIterable<Uint8Array> {
  if (typeof source === 'string' || source instanceof Uint8Array) return once(source);
  if (source instanceof ArrayBuffer) return once(new Uint8Array(source));
  if (source instanceof Blob) return source.stream() as unknown as AsyncIterable<Uint8Array>;
  if (typeof source === 'object' && source !== null && Symbol.asyncIterator in source)
    return source as AsyncIterable<Uint8Array>;
  throw new GomoteError('ERR_USAGE', 'what is sent must be text, bytes or a stream of bytes');
}

async function* once(piece: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}
