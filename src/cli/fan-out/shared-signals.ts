// Passes the signals of this process to each of several runs.
import { GomoteError } from '../../errors.ts';
import { anySignal } from '../../timeout-signal.ts';
import type { Interrupts } from '../interrupts.ts';

/** Takes the process's signals until it is released. */
export class SharedSignals {
  readonly #parent: Interrupts;
  readonly #parts = new Set<Part>();
  #release: (() => void) | undefined;
  received: NodeJS.Signals | undefined;

  constructor(parent: Interrupts) {
    this.#parent = parent;
    this.#release = parent.take((name) => {
      this.received ??= name;
      // When none is passed on, the next signal ends this process, as for a single command.
      if (!this.#deliver(name, [...this.#parts])) this.release();
    });
  }

  part(): { interrupts: Interrupts; end: () => void } {
    const part = new Part(this.#parent, () => this.#giveUp());
    this.#parts.add(part);
    return { interrupts: part, end: () => this.#parts.delete(part) };
  }

  /** Ends the parts that are still running, as the signal would. */
  stop(name: NodeJS.Signals): void {
    this.#deliver(name, [...this.#parts]);
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #deliver(name: NodeJS.Signals, parts: readonly Part[]): boolean {
    return parts.map((part) => part.handle(name)).some(Boolean);
  }

  #giveUp(): void {
    if ([...this.#parts].every(({ hasGivenUp }) => hasGivenUp)) {
      this.#parent.giveUp(this.received ?? 'SIGINT');
    }
  }
}

class Part implements Interrupts {
  readonly #parent: Interrupts;
  readonly #onGiveUp: () => void;
  readonly #controller = new AbortController();
  #listener: ((name: NodeJS.Signals) => void) | undefined;
  #received: NodeJS.Signals | undefined;
  readonly signal: AbortSignal;
  hasGivenUp = false;

  constructor(parent: Interrupts, onGiveUp: () => void) {
    this.#parent = parent;
    this.#onGiveUp = onGiveUp;
    this.signal = anySignal(parent.signal, this.#controller.signal);
  }

  get received(): NodeJS.Signals | undefined {
    return this.#received ?? this.#parent.received;
  }

  /** Whether a listener took the signal; otherwise the part is aborted. */
  handle(name: NodeJS.Signals): boolean {
    if (this.#listener !== undefined) {
      this.#listener(name);
      return true;
    }
    this.cancel(name);
    return false;
  }

  take(listener: (name: NodeJS.Signals) => void): () => void {
    const before = this.#listener;
    this.#listener = listener;
    return () => {
      if (this.#listener === listener) this.#listener = before;
    };
  }

  cancel(name: NodeJS.Signals): void {
    this.#received ??= name;
    this.#controller.abort(new GomoteError('ERR_ABORTED', `ended by ${name}`));
  }

  giveUp(): void {
    this.hasGivenUp = true;
    this.#onGiveUp();
  }
}
