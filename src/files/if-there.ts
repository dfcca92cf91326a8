// Files that need not be there.
import { isErrno } from '../errors.ts';

/** What `read` gives; undefined where it finds no file, or fails with one of the codes. */
export function ifThere<T>(read: () => T, ...codes: readonly string[]): T | undefined {
  try {
    return read();
  } catch (error) {
    return undefinedIfAbsent(error, ...codes);
  }
}

/** The same, for the `catch` of a promise. */
export function undefinedIfAbsent(error: unknown, ...codes: readonly string[]): undefined {
  if (!isErrno(error, 'ENOENT', ...codes)) throw error;
}
