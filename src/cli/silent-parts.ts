// Collects the failures of parts of a backend, such as hosts, while other parts answer.
import { GomoteError, messageOf } from '../errors.ts';

/** Throws one error that names all parts that failed. */
export function throwSilent(failures: readonly GomoteError[]): void {
  const [first] = failures;
  if (first === undefined) return;
  throw new GomoteError(first.code, failures.map(messageOf).join('; '), {
    hint: first.hint,
    cause: first,
  });
}
