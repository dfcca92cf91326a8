// The creation of one session and the requests that wait for it: it is cancelled when none is left.
import { GomoteError } from '../../errors.ts';
import type { Session } from './session.ts';

interface CreationOptions {
  /** Makes the session; cancelled, it leaves nothing behind. */
  readonly make: (call: {
    signal: AbortSignal;
    onProgress: (step: string) => void;
  }) => Promise<Session>;
  /** Ends a session that was made and that nobody took. */
  readonly discard: (session: Session) => void;
  /** How long it goes on with nobody waiting, in ms: for a client that will ask again with its key. */
  readonly graceMs: number;
}

export class Creation {
  /** Fails as `make` does. */
  readonly result: Promise<Session>;
  readonly #options: CreationOptions;
  readonly #cancel = new AbortController();
  readonly #listeners = new Set<(step: string) => void>();
  #lastStep: string | undefined;
  #made: Session | undefined;
  #isClaimed = false;
  #grace: NodeJS.Timeout | undefined;

  constructor(options: CreationOptions) {
    this.#options = options;
    this.result = this.#make();
    // Whoever waits hears of a failure; nobody may be waiting.
    this.result.catch(() => undefined);
  }

  async #make(): Promise<Session> {
    const session = await this.#options.make({
      signal: this.#cancel.signal,
      onProgress: (step) => {
        this.#lastStep = step;
        for (const listener of this.#listeners) listener(step);
      },
    });
    this.#made = session;
    if (this.#cancel.signal.aborted) {
      this.#options.discard(session);
      throw this.#cancel.signal.reason;
    }
    return session;
  }

  /** Waits along; the function it gives is to be called when the waiting is over, however. */
  join(onProgress: (step: string) => void): () => void {
    clearTimeout(this.#grace);
    this.#listeners.add(onProgress);
    if (this.#lastStep !== undefined) onProgress(this.#lastStep);
    return () => {
      if (!this.#listeners.delete(onProgress) || this.#listeners.size > 0 || this.#isClaimed)
        return;
      const { graceMs } = this.#options;
      if (graceMs === 0) this.abandon();
      else this.#grace = setTimeout(() => this.abandon(), graceMs).unref();
    };
  }

  /** A client has the session's name. */
  claim(): void {
    this.#isClaimed = true;
  }

  /** Nobody wants it: what was made is discarded. */
  abandon(): void {
    if (this.#isClaimed) return;
    clearTimeout(this.#grace);
    this.#cancel.abort(new GomoteError('ERR_ABORTED', 'the client left'));
    if (this.#made !== undefined) this.#options.discard(this.#made);
  }
}
