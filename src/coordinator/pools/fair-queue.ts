// A fair queue: higher priorities come first, and users of one priority take turns.

export interface Waiting {
  readonly owner: string;
  /** Higher comes first; it may grow with time. Default 0. */
  readonly priority?: number;
}

export class FairQueue<T extends Waiting> {
  /** A user's requests; the order of the users is the order of their turns. */
  readonly #turns = new Map<string, T[]>();
  /** Requests that could not be served: they come before all others. */
  readonly #first: T[] = [];

  push(item: T): void {
    const items = this.#turns.get(item.owner);
    if (items === undefined) this.#turns.set(item.owner, [item]);
    else items.push(item);
  }

  /** Puts back a request that could not be served, at the front. */
  putBack(item: T): void {
    this.#first.push(item);
  }

  /** Removes a request that is served. Its owner's next turn is after all others'. */
  take(item: T): void {
    const isFirst = this.#first.includes(item);
    this.remove(item);
    const items = this.#turns.get(item.owner);
    if (isFirst || items === undefined) return;
    this.#turns.delete(item.owner);
    this.#turns.set(item.owner, items);
  }

  /** Removes a request that no longer waits. Returns whether it was there. */
  remove(item: T): boolean {
    if (removeFrom(this.#first, item)) return true;
    const items = this.#turns.get(item.owner) ?? [];
    if (!removeFrom(items, item)) return false;
    if (items.length === 0) this.#turns.delete(item.owner);
    return true;
  }

  /** All requests, in the order in which they will be served if nothing changes. */
  inOrder(): T[] {
    const levels = new Map<number, Map<string, T[]>>();
    for (const [owner, items] of this.#turns) {
      for (const item of items) {
        const { priority = 0 } = item;
        const level = levels.get(priority) ?? new Map<string, T[]>();
        levels.set(priority, level.set(owner, [...(level.get(owner) ?? []), item]));
      }
    }
    const highestFirst = [...levels].sort(([a], [b]) => b - a);
    return [...this.#first, ...highestFirst.flatMap(([, level]) => inTurns([...level.values()]))];
  }
}

/** The first of each, then the second of each, and so on. */
function inTurns<T>(queues: readonly T[][]): T[] {
  const longest = Math.max(0, ...queues.map((items) => items.length));
  return Array.from({ length: longest }, (_, round) =>
    queues.flatMap((items) => items.slice(round, round + 1)),
  ).flat();
}

function removeFrom<T>(items: T[], item: T): boolean {
  const at = items.indexOf(item);
  if (at >= 0) items.splice(at, 1);
  return at >= 0;
}
