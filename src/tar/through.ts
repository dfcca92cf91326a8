// Passes a source through a transform stream.
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** The output of a transform that is fed from a source. */
export async function* through(
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  transform: Transform,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  const fed = pipeline(source, transform, signal === undefined ? {} : { signal });
  // A failure also ends the transform, and is thrown from there.
  fed.catch(() => {});
  try {
    yield* transform;
    await fed;
  } finally {
    transform.destroy();
  }
}
