// Holds a buildlet while this process lives, by one open request, which is repeated when it breaks.
import { checkSignal, isStatus } from '../errors.ts';
import { type HttpResponse, transportError } from '../http/client/request.ts';
import { endpoints, holdParameters } from '../protocol/endpoints.ts';
import { withQuery } from '../protocol/form.ts';
import { anySignal } from '../timeout-signal.ts';
import type { CallOptions } from './client-options.ts';
import type { Connection } from './connection.ts';
import { Outage } from './runs/outage.ts';
import { headersLimitMs } from './time-limit.ts';

/** How a buildlet is held. */
export interface HoldOptions {
  /** How long the buildlet outlives this process, in ms. It can be held again within this time. */
  readonly graceMs: number;
  /** How long to retry a lost connection, in ms. Default: `graceMs`. */
  readonly reconnectMs?: number | undefined;
}

/**
 * A buildlet that ends soon after this process, or after the scope of `await using`.
 *
 * @example
 * const hold = await client.hold({ graceMs: 60_000 });
 * if (isDone) await hold?.release();
 * else hold?.drop();
 */
export interface BuildletHold extends AsyncDisposable {
  /** Keeps the buildlet alive without being held. Throws when it does not accept that: then it may end. */
  release(options?: CallOptions): Promise<void>;
  /** Stops holding it: it ends soon. */
  drop(): void;
}

/** Resolves when it is held; undefined when the buildlet does not support it. */
export async function hold(
  connection: Connection,
  { graceMs, reconnectMs = graceMs, signal }: HoldOptions & CallOptions,
): Promise<BuildletHold | undefined> {
  checkSignal(signal);
  const dropped = new AbortController();
  const held = connection.signalWith(dropped.signal);
  const path = withQuery(endpoints.hold.path, { [holdParameters.graceMs]: String(graceMs) });
  const request = {
    method: 'POST',
    path,
    heartbeat: false,
    headersTimeoutMs: headersLimitMs,
  } as const;
  const open = (during: AbortSignal) => connection.call({ ...request, signal: during });
  // The caller's signal applies only to the first reply.
  const early = new AbortController();
  const giveUp = () => early.abort(signal?.reason);
  signal?.addEventListener('abort', giveUp);
  if (signal?.aborted) giveUp();
  let first: HttpResponse;
  try {
    first = await open(anySignal(held, early.signal));
  } catch (error) {
    if (isStatus(error, 404)) return undefined;
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  void keep(
    first,
    () => open(held),
    new Outage({ peer: connection.options, reconnectMs, signal: held }),
  );
  return {
    release: async (options = {}) => {
      const released = withQuery(endpoints.hold.path, { [holdParameters.release]: '1' });
      await connection.callText({ ...request, path: released, ...options });
      dropped.abort();
    },
    drop: () => dropped.abort(),
    [Symbol.asyncDispose]: async () => dropped.abort(),
  };
}

/** Repeats the request whenever it breaks, until the buildlet has ended or will end. */
async function keep(
  first: HttpResponse,
  open: () => Promise<HttpResponse>,
  outage: Outage,
): Promise<void> {
  let response: HttpResponse | undefined = first;
  try {
    for (;;) {
      try {
        response ??= await open();
        for await (const _ of response.body) outage.over();
        // Somebody has released it.
        return;
      } catch (error) {
        await outage.wait(transportError(error, undefined, 'ERR_LOST'));
      }
      response = undefined;
    }
  } catch {
    // Other calls will notice that the buildlet is gone.
  }
}
