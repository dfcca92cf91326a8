// Requests that follow the log of a run: the run continues without them, and their clients reconnect.
interface Follower {
  /** Whether the log has begun to arrive: before that, the client does not know whether the run was started. */
  readonly isFollowing: () => boolean;
  readonly controller: AbortController;
}

/** How often to check those that had not begun when all were ended, in ms. */
const lookIntervalMs = 100;

export class Followers {
  readonly #open = new Set<Follower>();

  /** Registers one request; call `over` at its end. */
  begin(isFollowing: () => boolean): { signal: AbortSignal; over: () => void } {
    const controller = new AbortController();
    const follower = { isFollowing, controller };
    this.#open.add(follower);
    return { signal: controller.signal, over: () => this.#open.delete(follower) };
  }

  /** Ends each as soon as it has begun. Returns a function that stops this. */
  end(reason: Error): () => void {
    const look = () => {
      for (const { isFollowing, controller } of this.#open) {
        if (isFollowing()) controller.abort(reason);
      }
    };
    look();
    const timer = setInterval(look, lookIntervalMs);
    return () => clearInterval(timer);
  }
}
