// Remembers names for a limited time.
export class RecentNames {
  readonly #forMs: number;
  /** In the order they were added. */
  readonly #addedMs = new Map<string, number>();

  constructor(forMs: number) {
    this.#forMs = forMs;
  }

  add(name: string): void {
    this.#prune();
    this.#addedMs.delete(name);
    this.#addedMs.set(name, performance.now());
  }

  has(name: string): boolean {
    this.#prune();
    return this.#addedMs.has(name);
  }

  #prune(): void {
    const nowMs = performance.now();
    for (const [name, addedMs] of this.#addedMs) {
      if (nowMs - addedMs < this.#forMs) return;
      this.#addedMs.delete(name);
    }
  }
}
