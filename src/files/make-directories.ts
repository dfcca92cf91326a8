// Makes a directory and those above it.
import { dirname } from 'node:path';
import { isErrno } from '../errors.ts';
import { existsSync, mkdirSync, statSync } from './named-fs.ts';

/**
 * Makes the directory, and those above it that are missing. Throws the system's error. In place of Node's `recursive`, which
 * tries for ever where the system lets nobody make a directory, as in /proc.
 */
export function makeDirectories(path: string, mode = 0o777): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeDirectories(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have made it.
    if (!isErrno(error, 'EEXIST') || !statSync(path).isDirectory()) throw error;
  }
}
