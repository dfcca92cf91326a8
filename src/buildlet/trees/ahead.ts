// The tree that the thread makes ahead. Commands leave it as it is, as long as no push finds that one has changed it.
import type { StoreAt } from '../../protocol/stored.ts';
import type { TreeThread } from './jobs.ts';
import { makeStage } from './stage.ts';

/** How long it stays when commands run, which may need the space. */
const keptMs = 10 * 60_000;

export class Ahead {
  readonly #thread: TreeThread;
  readonly #scratch: string;
  #releaseStage: Promise<() => Promise<void>> | undefined;
  #isAsked = false;
  #end: NodeJS.Timeout | undefined;

  /** `scratch`: a private directory of this process. */
  constructor(thread: TreeThread, scratch: string) {
    this.#thread = thread;
    this.#scratch = scratch;
  }

  /** Begins to make it, out of a store of a coordinator on this host, or the buildlet's own. */
  make(storeAt?: StoreAt): void {
    this.#isAsked = true;
    this.#prepare(storeAt).catch(() => undefined);
  }

  async #prepare(storeAt: StoreAt | undefined): Promise<void> {
    this.#releaseStage ??= makeStage(this.#scratch);
    await this.#releaseStage;
    if (this.#isAsked) await this.#thread.run({ kind: 'prepare', storeAt });
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

  /** To be called before the thread is ended. */
  async release(): Promise<void> {
    this.#isAsked = false;
    await this.#releaseStage?.then(
      (release) => release(),
      () => undefined,
    );
  }
}
