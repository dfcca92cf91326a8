// Where what is fetched from one of several buildlets goes: they must not overwrite each other's.
import { basename, dirname, join } from 'node:path';
import { mkdirSync } from '../../files/named-fs.ts';
import { localError } from '../../gomote/local-files.ts';
import type { Context } from '../context.ts';

/** The file in a directory of the buildlet's name, which is made; of a single buildlet the file as it is. */
export function ownPlace(file: string, { ownName }: Context): string {
  if (ownName === undefined) return file;
  const directory = join(dirname(file), ownName);
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw localError('make', directory, error);
  }
  return join(directory, basename(file));
}
