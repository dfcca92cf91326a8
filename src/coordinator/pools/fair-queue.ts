// A fair queue: users take turns, and each user's requests keep their order.

export interface Waiting {
  readonly owner: string;
}

export class FairQueue<T extends Waiting> {
  /** A user's requests; the order of the users is the order of their turns. */
  readonly #turns = new Map<string, T[]>();
  /** Those that were served in vain: they come before all others. */
  readonly #first: T[] = [];

  get size(): number {
    let size = this.#first.length;
    for (const items of this.#turns.values()) size += items.length;
    return size;
  }

  push(item: T): void {
    const items = this.#turns.get(item.owner);
    if (items === undefined) this.#turns.set(item.owner, [item]);
    else items.push(item);
  }

  /** Puts back one that was taken out and could not be served: it is the next again. */
  putBack(item: T): void {
    this.#first.push(item);
  }

  /** The one that `next` would take. */
  get head(): T | undefined {
    const [items] = this.#turns.values();
    return this.#first[0] ?? items?.[0];
  }

  /** Takes out the next; its owner's turn comes again after all others'. */
  next(): T | undefined {
    if (this.#first.length > 0) return this.#first.shift();
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
    if (removeFrom(this.#first, item)) return true;
    const items = this.#turns.get(item.owner) ?? [];
    if (!removeFrom(items, item)) return false;
    if (items.length === 0) this.#turns.delete(item.owner);
    return true;
  }

  /** All in the order in which they will be served, if nobody comes or leaves. */
  inOrder(): T[] {
    const queues = [...this.#turns.values()];
    const longest = Math.max(0, ...queues.map((items) => items.length));
    const order: T[] = [...this.#first];
    for (let round = 0; round < longest; round++) {
      for (const items of queues) {
        const item = items[round];
        if (item !== undefined) order.push(item);
      }
    }
    return order;
  }
}

function removeFrom<T>(items: T[], item: T): boolean {
  const at = items.indexOf(item);
  if (at >= 0) items.splice(at, 1);
  return at >= 0;
}
