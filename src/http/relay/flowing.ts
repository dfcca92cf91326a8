// The chunks of a stream as they arrive: Node's own iterator joins all waiting chunks into one, and so copies each
// byte once more.
import type { Readable } from 'node:stream';

/** How much may be buffered before the stream is paused, in bytes. */
const aheadBytes = 256 << 10;

export interface FlowingOptions {
  /** The time limit for each chunk, in ms. Default: none. */
  readonly idleMs?: number | undefined;
}

/**
 * Reads to the end, or fails as the stream does. A reader that leaves early leaves the stream paused, not destroyed: a
 * request that is refused in its middle must live on for its reply to get out.
 */
export async function* flowing(
  stream: Readable,
  { idleMs }: FlowingOptions = {},
): AsyncGenerator<Buffer> {
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let end: { readonly error: unknown } | undefined;
  let isInUse = false;
  let wake: () => void = () => undefined;
  const ended = (error?: unknown) => {
    end ??= { error };
    wake();
  };
  const onIdle = () => {
    if (isInUse || waiting.length > 0) idle?.refresh();
    else stream.destroy(new Error(`nothing arrived for ${(idleMs ?? 0) / 1000} s`));
  };
  const idle = idleMs === undefined ? undefined : setTimeout(onIdle, idleMs).unref();
  const onData = (piece: Buffer) => {
    idle?.refresh();
    waiting.push(piece);
    waitingBytes += piece.length;
    if (waitingBytes >= aheadBytes) stream.pause();
    wake();
  };
  const onEnd = () => ended();
  const onClose = () => ended(stream.errored ?? new Error('closed before its end'));
  stream.on('data', onData).on('end', onEnd).on('error', ended).on('close', onClose);
  if (stream.readableEnded) onEnd();
  else if (stream.destroyed) onClose();
  try {
    for (;;) {
      const piece = waiting.shift();
      if (piece !== undefined) {
        waitingBytes -= piece.length;
        if (waitingBytes < aheadBytes && stream.isPaused()) stream.resume();
        isInUse = true;
        yield piece;
        isInUse = false;
      } else if (end === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if (end.error === undefined) return;
      else throw end.error;
    }
  } finally {
    clearTimeout(idle);
    stream.off('data', onData).off('end', onEnd).off('close', onClose).off('error', ended);
    // The failure was reported, or no longer matters.
    stream.on('error', () => undefined);
    stream.pause();
  }
}
