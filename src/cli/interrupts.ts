// The signals that end a command early.
import { GomoteError } from '../errors.ts';
import { isOutputPending, stderrWritten } from '../files/own-streams.ts';
import { handledSignals, type StartState } from '../start-state.ts';
import { anySignal } from '../timeout-signal.ts';

/** Signals: each goes to the listener, if there is one, or aborts. */
export class Interrupts {
  readonly #controller = new AbortController();
  readonly #onGiveUp: (name: NodeJS.Signals) => void;
  readonly #parent: Interrupts | undefined;
  #listener: ((name: NodeJS.Signals) => void) | undefined;
  #received: NodeJS.Signals | undefined;
  /** Aborts at the first signal that no listener takes. */
  readonly signal: AbortSignal;

  /** @param parent Whose abort is one of this, too. */
  constructor(onGiveUp: (name: NodeJS.Signals) => void, parent?: Interrupts) {
    this.#onGiveUp = onGiveUp;
    this.#parent = parent;
    this.signal = anySignal(parent?.signal, this.#controller.signal);
  }

  /** The signal that aborted it. */
  get received(): NodeJS.Signals | undefined {
    return this.#received ?? this.#parent?.received;
  }

  /** Whether a listener took the signal; otherwise this aborts. */
  handle(name: NodeJS.Signals): boolean {
    if (this.#listener === undefined) {
      this.cancel(name);
      return false;
    }
    this.#listener(name);
    return true;
  }

  /** Passes the signals to `listener`. Returns a function that restores the previous listener. */
  take(listener: (name: NodeJS.Signals) => void): () => void {
    const before = this.#listener;
    this.#listener = listener;
    return () => {
      if (this.#listener === listener) this.#listener = before;
    };
  }

  /** Aborts `signal`, as for a signal that no listener takes. Later signals still go to the listener. */
  cancel(name: NodeJS.Signals): void {
    this.#received ??= name;
    this.#controller.abort(new GomoteError('ERR_ABORTED', `ended by ${name}`));
  }

  /** Ends the process as the signal would, in case unread output keeps it alive. */
  giveUp(name: NodeJS.Signals): void {
    this.#onGiveUp(name);
  }
}

/** The time limit for the last messages on standard error, in ms. */
const lastWordsMs = 1_000;

/** The signals that end a program. Windows has no SIGQUIT. */
const endingSignals: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  ...(process.platform === 'win32' ? [] : (['SIGQUIT'] as const)),
];

/**
 * The signals of this process. A second one that no listener takes ends the process at once, as if it were not handled.
 * They are handled until the process ends: a signal that comes after the name of a buildlet was printed changes nothing.
 */
export function processInterrupts(state: StartState = {}): Interrupts {
  const names = handledSignals(endingSignals, state);
  const release = () => {
    for (const name of names) process.off(name, handle);
  };
  const interrupts = new Interrupts((name) => {
    release();
    if (!isOutputPending()) return;
    void stderrWritten(lastWordsMs).then(() => process.kill(process.pid, name));
  });
  const handle = (name: NodeJS.Signals) => {
    if (!interrupts.handle(name)) release();
  };
  for (const name of names) process.on(name, handle);
  return interrupts;
}
