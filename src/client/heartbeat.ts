// Checks at intervals whether a peer is alive.
import { GomoteError, messageOf } from '../errors.ts';
import { anySignal, longTimer, timeoutSignal } from '../timeout-signal.ts';

interface HeartbeatOptions {
  /** Rejects when the peer does not answer. */
  readonly beat: (signal: AbortSignal) => Promise<unknown>;
  readonly intervalMs: number;
  /** Called once, after three failures in a row. */
  readonly onDead: (error: GomoteError) => void;
}

/** How many failures in a row mean that the peer is dead. */
const failuresToDeath = 3;

/** Starts the heartbeat. Returns a function that stops it. It does not keep the process alive. */
export function startHeartbeat(options: HeartbeatOptions): () => void {
  let failures = 0;
  const stopped = new AbortController();
  const stop = () => {
    timer.clear();
    stopped.abort();
  };
  const beat = async () => {
    const late = timeoutSignal(options.intervalMs);
    try {
      await options.beat(anySignal(stopped.signal, late));
      failures = 0;
    } catch (error) {
      if (stopped.signal.aborted) return;
      failures++;
      if (failures >= failuresToDeath) {
        stop();
        const message = `no answer to ${failures} heartbeats: ${messageOf(error)}`;
        return options.onDead(new GomoteError('ERR_BROKEN', message, { cause: error }));
      }
    }
    if (!stopped.signal.aborted) timer = longTimer(beat, options.intervalMs).unref();
  };
  let timer = longTimer(beat, options.intervalMs).unref();
  return stop;
}
