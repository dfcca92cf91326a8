// A fair queue: the higher priority comes first, and users of one priority take turns.

export interface Waiting {
  readonly owner: string;
  /** The higher, the earlier; it may grow with time. Default 0. */
  readonly priority?: number;
}

export class FairQueue<T extends Waiting> {
  /** A user's requests; the order of the users is the order of their turns. */
  readonly #turns = new Map<string, T[]>();
  /** Those that were served in vain: they come before all others. */
  readonly #first: T[] = [];

  push(item: T): void {
    const items = this.#turns.get(item.owner);
    if (items === undefined) this.#turns.set(item.owner, [item]);
    else items.push(item);
  }

  /** Puts back one that was taken out and could not be served: it is the next again. */
  putBack(item: T): void {
    this.#first.push(item);
  }

  /** Takes out one that is served; its owner's turn comes again after all others'. */
  take(item: T): void {
    const isFirst = this.#first.includes(item);
    this.remove(item);
    const items = this.#turns.get(item.owner);
    if (isFirst || items === undefined) return;
    this.#turns.delete(item.owner);
    this.#turns.set(item.owner, items);
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
