// Does work for each name that the user gave. All are tried, and every failure is reported.
import { GomoteError, messageOf } from '../errors.ts';

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

/** Throws one error that names all parts that failed. */
export function throwSilent(failures: readonly GomoteError[]): void {
  const [first] = failures;
  if (first === undefined) return;
  throw new GomoteError(first.code, failures.map(messageOf).join('; '), {
    hint: first.hint,
    cause: first,
  });
}
