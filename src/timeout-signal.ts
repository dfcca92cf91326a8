// Deadlines of any length.

/** The longest that Node's timers wait, in ms: a longer one is over at once. */
const longestMs = 2 ** 31 - 1;

/** A timer; by default, it keeps the process alive. */
export interface LongTimer {
  /** Lets the process end before it is over. */
  unref(): LongTimer;
  /** Ends it; `act` is not called any more. */
  clear(): void;
}

/** Calls `act` after this many ms, also more than a timer takes; Infinity: never. */
export function longTimer(act: () => void, delayMs: number): LongTimer {
  let leftMs = delayMs;
  let isRef = true;
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    const stepMs = Math.min(leftMs, longestMs);
    leftMs -= stepMs;
    timer = setTimeout(leftMs > 0 ? wait : act, stepMs);
    if (!isRef) timer.unref();
  };
  if (delayMs !== Infinity) wait();
  const self: LongTimer = {
    unref: () => {
      isRef = false;
      timer?.unref();
      return self;
    },
    clear: () => clearTimeout(timer),
  };
  return self;
}

/** What each signal of {@link anySignal} is made of. */
const sources = new WeakMap<AbortSignal, readonly AbortSignal[]>();

/**
 * A signal that aborts as soon as one of the given signals does. In place of `AbortSignal.any`, whose sources Node 20
 * collects while they wait: a caller's `AbortSignal.timeout` would then never abort the call.
 */
export function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const given = signals.filter((signal) => signal !== undefined);
  const any = AbortSignal.any(given);
  sources.set(any, given);
  return any;
}

/** Aborts with the given signal. Node warns of more than ten listeners on one that a caller uses for many calls. */
export const ownSignal = (signal: AbortSignal): AbortSignal => anySignal(signal);

/** A signal that aborts with a TimeoutError after the delay; it keeps no process alive. */
export function timeoutSignal(delayMs: number): AbortSignal {
  const controller = new AbortController();
  const expire = () => {
    controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
  };
  longTimer(expire, delayMs).unref();
  return controller.signal;
}
