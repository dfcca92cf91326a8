// Tracks whether a run has started: before that, the buildlet does not know it.
import type { CallOptions } from '../../client/client-options.ts';
import { GomoteError, unlessAborted } from '../../errors.ts';

export class RunStart {
  readonly #name: string;
  #resolve: (isSession: boolean) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  readonly #isSession = new Promise<boolean>((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  /** @param name The buildlet. */
  constructor(name: string) {
    this.#name = name;
    this.#isSession.catch(() => undefined);
  }

  /** Marks the run as started, as a session or not; returns the argument. */
  with(isSession: boolean): boolean {
    this.#resolve(isSession);
    return isSession;
  }

  /** When `run` fails before it has started, it never will. */
  async orFail<T>(run: Promise<T>): Promise<T> {
    try {
      return await run;
    } catch (error) {
      this.#reject(error);
      throw error;
    }
  }

  /** Calls `work` once the run has started. Fails like the run if it never starts, and with ERR_UNSUPPORTED without sessions. */
  async andThen(act: () => Promise<void>, { signal }: CallOptions = {}): Promise<void> {
    if (await unlessAborted(this.#isSession, signal)) return await act();
    throw new GomoteError('ERR_UNSUPPORTED', `${this.#name} has no sessions`, {
      hint: 'end the command by the signal of its run',
    });
  }
}
