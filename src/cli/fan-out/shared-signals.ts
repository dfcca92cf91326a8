// Passes the signals of this process to each of several runs.
import { Interrupts } from '../interrupts.ts';

/** Takes the process's signals until it is released. */
export class SharedSignals {
  readonly #parent: Interrupts;
  readonly #parts = new Set<Interrupts>();
  /** Those that do not wait any more. */
  readonly #left = new Set<Interrupts>();
  #release: (() => void) | undefined;
  received: NodeJS.Signals | undefined;

  constructor(parent: Interrupts) {
    this.#parent = parent;
    this.#release = parent.take((name) => {
      this.received ??= name;
      // When none is passed on, the next signal ends this process, as for a single command.
      if (!this.#deliver(name)) this.release();
    });
  }

  part(): { interrupts: Interrupts; end: () => void } {
    const part: Interrupts = new Interrupts(() => {
      this.#left.add(part);
      if ([...this.#parts].every((one) => this.#left.has(one))) {
        this.#parent.giveUp(this.received ?? 'SIGINT');
      }
    }, this.#parent);
    this.#parts.add(part);
    return { interrupts: part, end: () => this.#parts.delete(part) };
  }

  /** Ends the parts that are still running, as the signal would. */
  stop(name: NodeJS.Signals): void {
    this.#deliver(name);
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #deliver(name: NodeJS.Signals): boolean {
    return [...this.#parts].map((part) => part.handle(name)).some(Boolean);
  }
}
