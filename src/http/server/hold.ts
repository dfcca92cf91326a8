// Something that clients hold, a buildlet or a coordinator's session, which ends soon after the last of them has disconnected.
import { holdParameters, longestGraceMs } from '../../protocol/endpoints.ts';
import { wholeNumber } from '../../protocol/session.ts';
import { sendEmpty, sendError } from './reply.ts';
import type { Exchange } from './server.ts';

/** Counts the clients. Its timer does not keep the process alive. */
export class Hold {
  readonly #onLost: () => void;
  readonly #holders = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  /** @param onLost Called when the last holder has disconnected. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  /** Calls `onLost` unless a client holds it within this time. */
  expect(withinMs: number): void {
    if (!this.isActive) this.#endAfter(withinMs);
  }

  /** Adds a holder. Call the result when it has disconnected: without another holder, it ends `graceMs` later. */
  take(graceMs: number, onReleased: () => void): () => void {
    this.#stopTimer();
    this.#holders.add(onReleased);
    return () => {
      if (this.#holders.delete(onReleased) && this.#holders.size === 0) this.#endAfter(graceMs);
    };
  }

  /** Whether a client holds it, or did until `graceMs` ago. */
  get isActive(): boolean {
    return this.#holders.size > 0 || this.#timer !== undefined;
  }

  /** Keeps it alive without holders. */
  release(): void {
    this.#stopTimer();
    const holders = [...this.#holders];
    this.#holders.clear();
    for (const leave of holders) leave();
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #endAfter(graceMs: number): void {
    this.#stopTimer();
    this.#timer = setTimeout(this.#onLost, graceMs);
    this.#timer.unref();
  }
}

/**
 * Answers a request to hold it, until the client disconnects or it is released, or the request to release it.
 *
 * @param pingMs How often to tell the client that it is held.
 */
export async function serveHold(
  hold: Hold,
  { response, query, signal }: Pick<Exchange, 'response' | 'query' | 'signal'>,
  pingMs: number,
): Promise<void> {
  if (query.get(holdParameters.release) === '1') {
    hold.release();
    return sendEmpty(response);
  }
  const graceMs = wholeNumber(query.get(holdParameters.graceMs) ?? '', longestGraceMs);
  if (graceMs === undefined) {
    return sendError(response, 400, "bogus 'graceMs' parameter", 'ERR_REQUEST');
  }
  const left = hold.take(graceMs, () => response.end());
  const beat = setInterval(() => response.write('\n'), pingMs);
  try {
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.write('\n');
    await new Promise<void>((resolve) => {
      response.once('close', resolve);
      if (signal.aborted || response.destroyed) resolve();
    });
  } finally {
    clearInterval(beat);
    left();
  }
}
