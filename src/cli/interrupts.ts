// The signals that end a command early.
import { GomoteError } from '../errors.ts';
import { isOutputPending, whenSaid } from '../files/own-streams.ts';
import { handledSignals, type StartState } from '../start-state.ts';

export interface Interrupts {
  /** Aborts at the first signal that no listener takes. */
  readonly signal: AbortSignal;
  /** The signal that aborted it. */
  readonly received: NodeJS.Signals | undefined;
  /** Lets `listener` have the signals from here on; the result gives them back to who had them before. */
  take(listener: (name: NodeJS.Signals) => void): () => void;
  /** Aborts `signal`, as a signal that no listener takes; later ones still go to the listener. */
  cancel(name: NodeJS.Signals): void;
  /** Ends the process as the signal would, if output that nobody reads would keep it. */
  giveUp(name: NodeJS.Signals): void;
}

/** How long the last words on standard error may take, in ms. */
const lastWordsMs = 1_000;

/** What ends a program; Windows has no SIGQUIT. */
const endingSignals: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  ...(process.platform === 'win32' ? [] : (['SIGQUIT'] as const)),
];

/**
 * The process's own signals; a second one that no listener takes ends the process at once, as if it were not handled.
 * They are held to the process's end: one that comes when all is done, and the name of a buildlet printed, changes nothing.
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
      void whenSaid(lastWordsMs).then(() => process.kill(process.pid, name));
    },
  };
}
