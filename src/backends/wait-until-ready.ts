// Waits for the buildlet on a machine that is starting.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';

/** The time limit of one attempt, in ms. */
const tryMs = 5_000;

interface WaitOptions {
  /** Cancels the waiting, which then fails with the signal's reason. */
  readonly signal: AbortSignal;
  /** The time limit of all attempts, in ms. Default 5 minutes. */
  readonly timeoutMs?: number | undefined;
  /** The maximum delay between attempts, in ms; the first are shorter. Default 1,000. */
  readonly pauseMs?: number | undefined;
  readonly onBeginTry?: (() => void | Promise<void>) | undefined;
  /** Called with why it did not answer; undefined when it did. */
  readonly onEndTry?: ((error: unknown) => void | Promise<void>) | undefined;
}

const firstPauseMs = 10;

const noError = (): undefined => undefined;

/**
 * Asks the buildlet until it answers. Throws ERR_MACHINE when it has not in time, ERR_CERTIFICATE at once when
 * something else answers in its place.
 */
export async function waitUntilReady(client: BuildletClient, options: WaitOptions): Promise<void> {
  const { signal, timeoutMs = 300_000, pauseMs = 1_000 } = options;
  const deadline = Date.now() + timeoutMs;
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, pauseMs)) {
    const left = Math.max(1, Math.min(tryMs, deadline - Date.now()));
    await options.onBeginTry?.();
    const error = await client
      .probe({ signal: anySignal(signal, timeoutSignal(left)) })
      .then(noError, (reason: unknown) => reason);
    await options.onEndTry?.(error);
    if (error === undefined) return;
    signal.throwIfAborted();
    if (isGomoteError(error, 'ERR_CERTIFICATE')) throw error;
    if (Date.now() + pause >= deadline) throw neverCameUp(client.name, timeoutMs, error);
    await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

const neverCameUp = (name: string, timeoutMs: number, cause: unknown): GomoteError =>
  new GomoteError(
    'ERR_MACHINE',
    `the buildlet on ${name} did not answer within ${timeoutMs / 1_000} s: ${messageOf(cause)}`,
    { hint: 'look at its log', cause },
  );
