// Holds a buildlet while this process lives: one request that is open for as long, and is made again when it breaks off.
import { StatusError } from '../errors.ts';
import { type HttpResponse, transportError } from '../http/client/request.ts';
import { endpoints } from '../protocol/endpoints.ts';
import { withQuery } from '../protocol/form.ts';
import { holdParameters } from '../protocol/hold.ts';
import { anySignal } from '../timeout-signal.ts';
import type { CallOptions } from './client-options.ts';
import type { Connection } from './connection.ts';
import { Outage } from './runs/outage.ts';
import { headersLimitMs } from './time-limit.ts';

/** How a buildlet is held. */
export interface HoldOptions {
  /** How long the buildlet outlives this process, in ms. Meanwhile it can be held again. */
  readonly graceMs: number;
  /** For how long a connection that is lost is made again, in ms. Default: `graceMs`. */
  readonly reconnectMs?: number | undefined;
}

/** A buildlet that ends soon after this process does. */
export interface BuildletHold {
  /** Lets the buildlet live on without being held. Throws when it does not take that: it may end then. */
  release(options?: CallOptions): Promise<void>;
  /** Holds it no longer: it ends soon. */
  drop(): void;
}

/** Resolves when it is held; undefined when the buildlet does not know how. */
export async function hold(
  connection: Connection,
  { graceMs, reconnectMs = graceMs, signal }: HoldOptions & CallOptions,
): Promise<BuildletHold | undefined> {
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
  // The caller's signal is for the first answer only.
  const early = new AbortController();
  const giveUp = () => early.abort(signal?.reason);
  signal?.addEventListener('abort', giveUp);
  if (signal?.aborted) giveUp();
  let first: HttpResponse;
  try {
    first = await open(anySignal(held, early.signal));
  } catch (error) {
    if (error instanceof StatusError && error.status === 404) return undefined;
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
      await connection.callText({
        ...{ method: 'POST', path: released, heartbeat: false, headersTimeoutMs: headersLimitMs },
        signal: connection.signalWith(options.signal),
      });
      dropped.abort();
    },
    drop: () => dropped.abort(),
  };
}

/** Makes the request again whenever it breaks off, until that has no point any more: then the buildlet ends, or has ended. */
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
    // Whoever uses the buildlet learns by its own calls that it is gone.
  }
}
