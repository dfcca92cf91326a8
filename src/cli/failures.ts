// Several things that are all tried, and whose failures are all reported.
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';

/**
 * Calls `work` once for each name. Throws the error of one failure, or for several an error with the `summary`.
 *
 * @param summary Describes the failure, given `2 of 3`: `2 of 3 were not destroyed`.
 */
export async function forEachNamed(
  names: readonly string[],
  work: (name: string) => Promise<void>,
  summary: (counts: string) => string,
): Promise<void> {
  const unique = [...new Set(names)];
  const results = await Promise.allSettled(unique.map(work));
  const failures = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  const [first] = failures;
  if (failures.length === 1) throw first;
  if (failures.length === 0) return;
  const counts = `${failures.length} of ${unique.length}`;
  const message = `${summary(counts)}: ${failures.map(messageOf).join('; ')}`;
  throw new GomoteError('ERR_STATUS', message, { cause: first });
}

/** Throws one error that names all failures, with the code and the hint of the first; nothing where nothing failed. */
export function throwAll(failures: readonly unknown[]): void {
  const [first] = failures;
  if (first === undefined) return;
  const messages = [...new Set(failures.map(messageOf))];
  if (messages.length === 1) throw first;
  const { code, hint } = isGomoteError(first)
    ? first
    : { code: 'ERR_LOST' as const, hint: undefined };
  throw new GomoteError(code, messages.join('; '), { hint, cause: first });
}
