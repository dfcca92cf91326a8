// Files that need not be there.
import { errnoOf } from '../errors.ts';

/** What `read` gives; undefined where it finds no file. */
export function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
