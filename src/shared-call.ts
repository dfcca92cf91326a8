// One call for several callers: each may leave, and the last to leave cancels it.

interface Running<T> {
  readonly result: Promise<T>;
  readonly cancel: AbortController;
  joined: number;
}

export class SharedCall<T> {
  readonly #call: (signal: AbortSignal) => Promise<T>;
  #running: Running<T> | undefined;

  constructor(call: (signal: AbortSignal) => Promise<T>) {
    this.#call = call;
  }

  /** The result of the call under way, or of a new one; fails with the signal's reason when that aborts first. */
  async join(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    this.#running ??= this.#start();
    const running = this.#running;
    running.joined++;
    let leave: () => void = () => undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal?.reason);
    });
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([running.result, left]);
    } finally {
      signal?.removeEventListener('abort', leave);
      running.joined--;
      if (running.joined === 0) this.#end(running);
    }
  }

  #start(): Running<T> {
    const cancel = new AbortController();
    const running = { result: this.#call(cancel.signal), cancel, joined: 0 };
    const over = () => {
      if (this.#running === running) this.#running = undefined;
    };
    running.result.then(over, over);
    return running;
  }

  /** Whoever asks from now on starts again. */
  #end(running: Running<T>): void {
    if (this.#running === running) this.#running = undefined;
    running.cancel.abort();
  }
}
