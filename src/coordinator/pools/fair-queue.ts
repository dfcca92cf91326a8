// A fair queue: users take turns, and each user's requests keep their order.

export interface Waiting {
  readonly owner: string;
}

export class FairQueue<T extends Waiting> {
  /** A user's requests; the order of the users is the order of their turns. */
  readonly #turns = new Map<string, T[]>();

  get size(): number {
    let size = 0;
    for (const items of this.#turns.values()) size += items.length;
    return size;
  }

  push(item: T): void {
    const items = this.#turns.get(item.owner);
    if (items === undefined) this.#turns.set(item.owner, [item]);
    else items.push(item);
  }

  /** Takes out the next; its owner's turn comes again after all others'. */
  next(): T | undefined {
    for (const [owner, items] of this.#turns) {
      const item = items.shift();
      this.#turns.delete(owner);
      if (items.length > 0) this.#turns.set(owner, items);
      return item;
    }
    return undefined;
  }

  /** Takes out one that no longer waits; whether it was there. */
  remove(item: T): boolean {
    const items = this.#turns.get(item.owner) ?? [];
    const at = items.indexOf(item);
    if (at < 0) return false;
    items.splice(at, 1);
    if (items.length === 0) this.#turns.delete(item.owner);
    return true;
  }

  /** All in the order in which they will be served, if nobody comes or leaves. */
  inOrder(): T[] {
    const queues = [...this.#turns.values()];
    const longest = Math.max(0, ...queues.map((items) => items.length));
    const order: T[] = [];
    for (let round = 0; round < longest; round++) {
      for (const items of queues) {
        const item = items[round];
        if (item !== undefined) order.push(item);
      }
    }
    return order;
  }
}
