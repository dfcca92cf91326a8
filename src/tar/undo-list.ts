// Steps that undo what was done, in reverse order.
export class UndoList {
  readonly #steps: (() => void)[] = [];

  /** Does something that `undo` takes back. */
  run(action: () => void, undo: () => void): void {
    action();
    this.#steps.push(undo);
  }

  /** Takes back all that was done. What fails is left, and the rest is taken back. */
  undo(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step();
      } catch {
        // Somebody else has changed it meanwhile.
      }
    }
  }

  /** Says that nothing will be taken back any more. */
  commit(): void {
    this.#steps.length = 0;
  }
}
