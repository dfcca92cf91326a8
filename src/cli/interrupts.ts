// The signals that end a command early.
import { GomoteError } from '../errors.ts';
import { isOutputPending, stderrWritten } from '../files/own-streams.ts';
import { handledSignals, type StartState } from '../start-state.ts';

export interface Interrupts {
  /** Aborts at the first signal that no listener takes. */
  readonly signal: AbortSignal;
  /** The signal that aborted it. */
  readonly received: NodeJS.Signals | undefined;
  /** Passes the signals to `listener`. Returns a function that restores the previous listener. */
  take(listener: (name: NodeJS.Signals) => void): () => void;
  /** Aborts `signal`, as for a signal that no listener takes. Later signals still go to the listener. */
  cancel(name: NodeJS.Signals): void;
  /** Ends the process as the signal would, in case unread output keeps it alive. */
  giveUp(name: NodeJS.Signals): void;
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
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  let listener: ((name: NodeJS.Signals) => void) | undefined;
  const names = handledSignals(endingSignals, state);
  const release = () => {
    for (const name of names) process.off(name, handle);
  };
  const handle = (name: NodeJS.Signals) => {
    if (listener !== undefined) return listener(name);
    release();
    cancel(name);
  };
  const cancel = (name: NodeJS.Signals) => {
    received ??= name;
    controller.abort(new GomoteError('ERR_ABORTED', `ended by ${name}`));
  };
  for (const name of names) process.on(name, handle);
  return {
    signal: controller.signal,
    get received() {
      return received;
    },
    take: (taker) => {
      const before = listener;
      listener = taker;
      return () => {
        if (listener === taker) listener = before;
      };
    },
    cancel,
    giveUp: (name) => {
      release();
      if (!isOutputPending()) return;
      void stderrWritten(lastWordsMs).then(() => process.kill(process.pid, name));
    },
  };
}
