// The tree that the thread makes ahead: it is dropped before a command, which could change it, begins.
import type { StoreAt } from '../../protocol/stored.ts';
import type { TreeThread } from './jobs.ts';

export class Ahead {
  readonly #thread: TreeThread;
  #isAsked = false;

  constructor(thread: TreeThread) {
    this.#thread = thread;
  }

  /** Begins to make it, out of a store of a coordinator on this host, or the buildlet's own. */
  make(storeAt?: StoreAt): void {
    this.#isAsked = true;
    this.#thread.run({ kind: 'prepare', storeAt }).catch(() => undefined);
  }

  /** Jobs that are sent to the thread later do not find it any more. */
  drop(): void {
    if (!this.#isAsked) return;
    this.#isAsked = false;
    this.#thread.run({ kind: 'drop' }).catch(() => undefined);
  }
}
