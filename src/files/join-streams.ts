// Joins two byte streams, each the other's source.
import { once, setMaxListeners } from 'node:events';
import { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';

/**
 * Passes on what comes of either until both have ended. When one breaks off, so does the other, in a way that its peer does
 * not take for an end. Resolves when both are closed; never fails.
 */
export async function joinStreams(a: Duplex, b: Duplex): Promise<void> {
  const closed = [a, b].map(
    async (stream) => stream.closed || (await once(stream, 'close').catch(() => undefined)),
  );
  // Each is watched as a source, as a sink, and for its end.
  setMaxListeners(0, a, b);
  pass(a, b);
  pass(b, a);
  await Promise.all(closed);
}

function pass(from: Duplex, to: Duplex): void {
  const cut = () => {
    if (!from.readableEnded) breakOff(to);
  };
  // Before the pipeline, which would only close the other.
  from.once('error', cut).once('close', cut);
  if (from.destroyed) cut();
  else pipeline(from, to, () => undefined);
}

/** Ends a stream so that its peer sees it broken: a TCP connection that is merely closed has come to its end. */
export function breakOff(stream: Duplex, error?: Error): void {
  if (stream.destroyed) return;
  const isTcp = stream instanceof Socket && stream.remoteAddress !== undefined;
  if (!isTcp || 'encrypted' in stream) {
    stream.destroy(error ?? new Error('the other end broke off'));
    return;
  }
  // Node would send what waits, and an end, before the reset.
  stream.destroySoon = () => void stream.destroy();
  stream.resetAndDestroy();
}
