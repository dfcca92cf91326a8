// Where the system cannot rename since another file system is mounted at a place, what belongs there is copied.
import { cpSync, renameSync } from './named-fs.ts';
import { removeTreeSync } from './remove-tree.ts';

/**
 * Copies a file, a link or a directory, which appears at its place whole; `from` stays.
 *
 * @param near A free name beside the place.
 */
export function copyAcross(from: string, place: string, near: string): void {
  try {
    cpSync(from, near, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    renameSync(near, place);
  } catch (error) {
    removeTreeSync(near);
    throw error;
  }
}
