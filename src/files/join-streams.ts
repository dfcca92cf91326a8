// Connects two byte streams in both directions.
import { once, setMaxListeners } from 'node:events';
import { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { RingSocket } from './ring-socket.ts';

/**
 * Copies both directions until both streams have ended. When one breaks, so does the other, in a way that its peer does
 * not mistake for an end. Resolves when both are closed; never fails.
 */
export async function joinStreams(a: Duplex, b: Duplex): Promise<void> {
  const closed = [a, b].map(
    async (stream) => stream.closed || (await once(stream, 'close').catch(() => undefined)),
  );
  // Each is used as a source and as a sink, and waited for.
  setMaxListeners(0, a, b);
  // Both before the pipelines, which would only close the other.
  breakWith(a, b);
  breakWith(b, a);
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    if (from.destroyed) continue;
    if (from instanceof RingSocket && to instanceof Socket) from.carryTo(to);
    pipeline(from, to, () => undefined);
  }
  await Promise.all(closed);
}

/** Breaks off a stream when the one that it takes its data from breaks. */
function breakWith(from: Duplex, to: Duplex): void {
  const cut = () => {
    if (!from.readableEnded) breakOff(to);
  };
  from.once('error', cut).once('close', cut);
  if (from.destroyed) cut();
}

/** Ends a stream so that its peer sees an error: closing a TCP connection would look like a normal end. */
export function breakOff(stream: Duplex, error?: Error): void {
  if (stream.destroyed) return;
  const isTcp = stream instanceof Socket && stream.remoteAddress !== undefined;
  if (!isTcp || 'encrypted' in stream) {
    stream.destroy(error ?? new Error('the other end broke off'));
    return;
  }
  // Otherwise Node would send buffered data and an end before the reset.
  stream.destroySoon = () => void stream.destroy();
  stream.resetAndDestroy();
}
