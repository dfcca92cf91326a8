// The local place of files from one of several buildlets, which must not overwrite each other's files.
import { basename, dirname, join } from 'node:path';
import { localError } from '../../files/local-error.ts';
import { makeDirectories } from '../../files/make-directories.ts';
import type { Context } from '../context.ts';

/** Returns the path in a directory with the name of the buildlet, which is created; for a single buildlet, the path unchanged. */
export function placeForBuildlet(file: string, { ownName }: Context): string {
  if (ownName === undefined) return file;
  const directory = join(dirname(file), ownName);
  try {
    makeDirectories(directory);
  } catch (error) {
    throw localError('make', directory, error);
  }
  return join(directory, basename(file));
}
