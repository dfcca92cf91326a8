// Keeps the size of a run's terminal equal to that of the user's.
import { setTimeout as sleep } from 'node:timers/promises';
import { isGomoteError } from '../../errors.ts';

interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Returns a function to call when the size has changed: it tries until the run has the current one, or has ended. */
export function sizeSender(
  currentSize: () => Size,
  resize: (columns: number, rows: number) => Promise<void>,
  { retryMs, signal }: { readonly retryMs: number; readonly signal: AbortSignal },
): () => Promise<void> {
  let sent: Size | undefined;
  let isSending = false;
  return async () => {
    if (isSending) return;
    isSending = true;
    while (!signal.aborted) {
      const { columns, rows } = currentSize();
      if (columns === sent?.columns && rows === sent.rows) break;
      try {
        await resize(columns, rows);
        sent = { columns, rows };
      } catch (error) {
        // The run has ended.
        if (isGomoteError(error, 'ERR_CONFLICT')) break;
        await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
    isSending = false;
  };
}
