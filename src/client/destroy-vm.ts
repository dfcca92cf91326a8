// Ends a machine by its platform and by its buildlet at once.
import { GomoteError, messageOf, unlessAborted, untilAborted } from '../errors.ts';
import { anySignal } from '../timeout-signal.ts';

/** The time limit for both sides, in ms. */
const destroyTimeoutMs = 5_000;

interface Client {
  readonly name: string;
  halt(options: { signal: AbortSignal }): Promise<void>;
  disconnect(): Promise<void>;
}

/**
 * Asks both sides at once, and closes the client. Fails with one error that names those that refused or did not answer, or
 * as soon as the signal aborts.
 */
export async function destroyVM(
  client: Client,
  deleteMachine: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const halt = (during: AbortSignal) => client.halt({ signal: during });
  await untilAborted(signal, async () => {
    try {
      await destroyBoth(client.name, { platform: deleteMachine, buildlet: halt }, signal);
    } finally {
      await client.disconnect();
    }
  });
}

async function destroyBoth(
  name: string,
  sides: Readonly<Record<string, (signal: AbortSignal) => Promise<void>>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const late = new AbortController();
  const reason = new GomoteError('ERR_TIMEOUT', `no answer in ${destroyTimeoutMs / 1_000} s`);
  const timer = setTimeout(() => late.abort(reason), destroyTimeoutMs);
  const leave = anySignal(late.signal, signal);
  const names = Object.keys(sides);
  try {
    // Even a side that ignores the signal.
    const asked = Object.values(sides).map(async (ask) => unlessAborted(ask(leave), leave));
    const results = await unlessAborted(Promise.allSettled(asked), signal);
    const failed = results.flatMap((result, i) =>
      result.status === 'rejected' ? [`${names[i]}: ${messageOf(result.reason)}`] : [],
    );
    if (failed.length === 0) return;
    const code = late.signal.aborted ? 'ERR_TIMEOUT' : 'ERR_STATUS';
    throw new GomoteError(code, `cannot destroy ${name}: ${failed.join('; ')}`);
  } finally {
    clearTimeout(timer);
  }
}
