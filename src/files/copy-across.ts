// Copies instead of renaming where another file system is mounted at the destination.
import { cpSync, renameSync } from './named-fs.ts';
import { removeTreeSync } from './remove-tree.ts';

/**
 * Copies a file, a link or a directory, which appears at its destination complete. `from` stays.
 *
 * @param near An unused name beside the destination.
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
