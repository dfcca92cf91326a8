// Requests that follow the log of a run: the run goes on without them, and their clients pick it up again.
interface Follower {
  /** Whether the log has begun to come: before, the client does not know whether the run was started. */
  readonly isFollowing: () => boolean;
  readonly controller: AbortController;
}

/** How often those are looked at that had not begun when all were to end, in ms. */
const lookIntervalMs = 100;

export class Followers {
  readonly #open = new Set<Follower>();

  /** For one request; `over` is to be called at its end. */
  begin(isFollowing: () => boolean): { signal: AbortSignal; over: () => void } {
    const controller = new AbortController();
    const follower = { isFollowing, controller };
    this.#open.add(follower);
    return { signal: controller.signal, over: () => this.#open.delete(follower) };
  }

  /** Ends all of them, as soon as each has begun; returns the function that ends no more. */
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
