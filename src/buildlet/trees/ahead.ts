// The tree that the thread makes ahead. Commands leave it as it is, as long as no push finds that one has changed it.
import type { StoreAt } from '../../protocol/stored.ts';
import type { TreeThread } from './jobs.ts';

/** How long it stays when commands run, which may need the space. */
const keptMs = 10 * 60_000;

export class Ahead {
  readonly #thread: TreeThread;
  #isAsked = false;
  #end: NodeJS.Timeout | undefined;

  constructor(thread: TreeThread) {
    this.#thread = thread;
  }

  /** Begins to make it, out of a store of a coordinator on this host, or the buildlet's own. */
  make(storeAt?: StoreAt): void {
    this.#isAsked = true;
    this.#thread.run({ kind: 'prepare', storeAt }).catch(() => undefined);
  }

  /** Call when a command begins. */
  commandBegins(): void {
    if (this.#isAsked) this.#end ??= setTimeout(() => this.drop(), keptMs).unref();
  }

  /** Jobs that are sent to the thread later do not find it any more. */
  drop(): void {
    clearTimeout(this.#end);
    this.#end = undefined;
    if (!this.#isAsked) return;
    this.#isAsked = false;
    this.#thread.run({ kind: 'drop' }).catch(() => undefined);
  }
}
