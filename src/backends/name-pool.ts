// Gives new buildlets their names, also to many at once and beside other clients.
import { nextName, type UsedNames } from '../files/used-names.ts';

/** How long a listing tells which names are free, in ms: others make and destroy buildlets too. */
const freshMs = 10_000;

export class NamePool {
  readonly #list: () => Promise<Iterable<string>>;
  readonly #used: UsedNames | undefined;
  /** Names of creations under way here, and of those that this pool has seen taken since the last listing. */
  readonly #held = new Set<string>();
  #listed: { readonly names: Promise<Set<string>>; readonly atMs: number } | undefined;

  /**
   * @param list Gives all names that are taken; asked once for many that are reserved at once.
   * @param used Which names were given before. Absent: those of buildlets that have ended may be given again.
   */
  constructor(list: () => Promise<Iterable<string>>, used?: UsedNames) {
    this.#list = list;
    this.#used = used;
  }

  /** Takes the first name of `<stem>-0`, `<stem>-1`, … that may be given; `release` it when its creation is over. */
  async reserve(stem: string): Promise<string> {
    const taken = await this.#taken();
    const name = nextName(stem, this.#used, (one) => taken.has(one) || this.#held.has(one));
    this.#held.add(name);
    return name;
  }

  /** The name's buildlet was made, or given up. */
  async release(name: string, outcome: 'made' | 'given up'): Promise<void> {
    if (outcome === 'made') (await this.#listed?.names)?.add(name);
    this.#held.delete(name);
  }

  /** Someone else was quicker: the name stays held, and the next listing is a new one. */
  conflict(): void {
    this.#listed = undefined;
  }

  async #taken(): Promise<Set<string>> {
    const nowMs = Date.now();
    if (this.#listed === undefined || nowMs - this.#listed.atMs > freshMs) {
      const names = this.#list().then((found) => new Set(found));
      const listed = { names, atMs: nowMs };
      this.#listed = listed;
      // A listing that failed is no listing.
      names.catch(() => {
        if (this.#listed === listed) this.#listed = undefined;
      });
    }
    return await this.#listed.names;
  }
}
