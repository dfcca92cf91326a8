// A list of steps to undo, in reverse order.
export class UndoList {
  readonly #steps: (() => void)[] = [];

  /** Does a step that `undo` reverts. */
  run(action: () => void, undo: () => void): void {
    action();
    this.#steps.push(undo);
  }

  /** Reverts all steps. Continues after failures. */
  undo(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step();
      } catch {
        // Somebody else has changed it since.
      }
    }
  }

  commit(): void {
    this.#steps.length = 0;
  }
}
