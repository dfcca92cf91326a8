// Copies a log from one connection, with heartbeats in both directions.
import { GomoteError, StatusError } from '../../errors.ts';
import type { HttpResponse } from '../../http/client/request.ts';
import type { LogCopier } from './session-reader.ts';

interface WatchOptions {
  /** Tells the buildlet that all of the log has been taken up to there. */
  readonly ping: (position: number) => Promise<unknown>;
  /** The heartbeat interval of each side, in ms. */
  readonly pingMs: number;
  /** Called whenever something has come. */
  readonly onHeard: () => void;
  /** Called whenever more of the log has come. */
  readonly onProgress: () => void;
  readonly signal: AbortSignal;
  /** Below which directory the log may name files, where that was offered. */
  readonly filesIn: string | undefined;
}

/** How many ping intervals a peer may be silent. */
export const silentPings = 3;

/** How much is read before it is acknowledged to the buildlet, in bytes. */
const tellBytes = 4 << 20;

/** Copies until the copier has enough; throws ERR_LOST when that does not come, and as the copier does. */
export async function watchedCopy(
  body: HttpResponse['body'],
  copier: LogCopier,
  { ping, pingMs, onHeard, onProgress, signal, filesIn }: WatchOptions,
): Promise<void> {
  let silent = 0;
  let isOver = false;
  let toldBytes = copier.position;
  let isTelling = false;
  const lose = (message: string) => body.destroy(new GomoteError('ERR_LOST', message));
  const tell = async () => {
    toldBytes = copier.position;
    try {
      await ping(toldBytes);
    } catch (error) {
      if (error instanceof StatusError && !isOver) lose(error.message);
    }
  };
  const startedAt = copier.position;
  const onTaken = () => {
    onHeard();
    if (copier.position > startedAt) onProgress();
    // The buildlet knows what it has sent itself.
    if (filesIn === undefined || isTelling || isOver || copier.position - toldBytes < tellBytes)
      return;
    isTelling = true;
    void tell().finally(() => {
      isTelling = false;
      onTaken();
    });
  };
  const beat = setInterval(() => {
    silent = copier.wasHeard() ? 0 : silent + 1;
    if (silent >= silentPings) lose(`nothing was heard for ${(silent * pingMs) / 1_000} s`);
    else void tell();
  }, pingMs);
  try {
    await copier.copy(body, { signal, filesIn, onTaken });
  } finally {
    isOver = true;
    clearInterval(beat);
  }
  if (!copier.isDone) {
    throw new GomoteError('ERR_LOST', 'the log ended without its closing record');
  }
}
