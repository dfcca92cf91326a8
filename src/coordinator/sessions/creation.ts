// The creation of sessions, all or none, and the requests that wait for it: it is cancelled when none is left.
import { GomoteError } from '../../errors.ts';
import type { Session } from './session.ts';

/** What is being waited for, in words of the moment. */
export type Step = () => string;

export interface CreationCall {
  readonly signal: AbortSignal;
  readonly onProgress: (step: Step) => void;
}

interface CreationOptions {
  /** Makes the sessions; cancelled, it leaves nothing behind. */
  readonly make: (call: CreationCall) => Promise<readonly Session[]>;
  /** Ends sessions that were made but never delivered. */
  readonly discard: (sessions: readonly Session[]) => void;
  /** How long it continues without a waiting client, in ms: for one that will ask again with its key. */
  readonly graceMs: number;
}

export class Creation {
  /** Fails as `make` does. */
  readonly result: Promise<readonly Session[]>;
  readonly #options: CreationOptions;
  readonly #cancel = new AbortController();
  readonly #listeners = new Set<(step: Step) => void>();
  #lastStep: Step | undefined;
  #made: readonly Session[] | undefined;
  #isClaimed = false;
  #grace: NodeJS.Timeout | undefined;

  constructor(options: CreationOptions) {
    this.#options = options;
    this.result = this.#make();
    // Waiting callers get the failure; there may be none.
    this.result.catch(() => undefined);
  }

  async #make(): Promise<readonly Session[]> {
    const sessions = await this.#options.make({
      signal: this.#cancel.signal,
      onProgress: (step) => {
        this.#lastStep = step;
        for (const listener of this.#listeners) listener(step);
      },
    });
    this.#made = sessions;
    if (this.#cancel.signal.aborted) {
      this.#options.discard(sessions);
      throw this.#cancel.signal.reason;
    }
    return sessions;
  }

  /** Waits along; the function it gives is to be called when the waiting is over, however. */
  join(onProgress: (step: Step) => void): () => void {
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

  /** A client has the names of the sessions. */
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
