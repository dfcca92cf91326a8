// Parts of a backend, such as hosts, that did not answer while the others did.
import { GomoteError, messageOf } from '../errors.ts';

/** Throws what they failed with, as one error that names them all. */
export function throwSilent(failures: readonly GomoteError[]): void {
  const [first] = failures;
  if (first === undefined) return;
  throw new GomoteError(first.code, failures.map(messageOf).join('; '), {
    hint: first.hint,
    cause: first,
  });
}
