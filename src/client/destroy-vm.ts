// Ends a machine by its platform and by its buildlet at once.
import { GomoteError, messageOf } from '../errors.ts';

/** The time limit for both sides, in ms. */
const destroyTimeoutMs = 5_000;

/** Asks all sides at once. Fails with one error that names those that refused or did not answer. */
export async function destroyBoth(
  name: string,
  sides: Readonly<Record<string, (signal: AbortSignal) => Promise<void>>>,
): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), destroyTimeoutMs);
  const names = Object.keys(sides);
  const results = await Promise.allSettled(
    Object.values(sides).map((ask) => inTime(ask, late.signal)),
  );
  clearTimeout(timer);
  const failed = results.flatMap((result, i) =>
    result.status === 'rejected' ? [`${names[i]}: ${messageOf(result.reason)}`] : [],
  );
  if (failed.length === 0) return;
  const code = late.signal.aborted ? 'ERR_TIMEOUT' : 'ERR_STATUS';
  throw new GomoteError(code, `cannot destroy ${name}: ${failed.join('; ')}`);
}

/** Fails when the signal aborts first, even if the work ignores it. */
function inTime(ask: (late: AbortSignal) => Promise<void>, late: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    late.addEventListener('abort', () => reject(new Error('no answer in 5 s')), { once: true });
    ask(late).then(resolve, reject);
  });
}
