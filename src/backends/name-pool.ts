// Gives new buildlets their names: the smallest free number, also to many at once and beside other clients.

/** How long a listing tells which names are free, in ms: others make and destroy buildlets too. */
const freshMs = 10_000;

export class NamePool {
  readonly #list: () => Promise<Iterable<string>>;
  /** Names of creations under way here, and of those that this pool has seen taken since the last listing. */
  readonly #held = new Set<string>();
  #listed: { readonly names: Promise<Set<string>>; readonly atMs: number } | undefined;

  /** @param list Gives all names that are taken; asked once for many that are reserved at once. */
  constructor(list: () => Promise<Iterable<string>>) {
    this.#list = list;
  }

  /** Takes the first free name of `<stem>-0`, `<stem>-1`, …; `release` it when its creation is over. */
  async reserve(stem: string): Promise<string> {
    const taken = await this.#taken();
    for (let number = 0; ; number++) {
      const name = `${stem}-${number}`;
      if (taken.has(name) || this.#held.has(name)) continue;
      this.#held.add(name);
      return name;
    }
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
