// The local directory of a pull.
import { basename, dirname, join, resolve } from 'node:path';
import { localError } from '../../files/local-error.ts';
import { makeDirectories } from '../../files/make-directories.ts';
import { existsSync, lstatSync, readdirSync, realpathSync } from '../../files/named-fs.ts';

export interface PullTarget {
  /** A real path. */
  readonly top: string;
  /** Whether it does not exist or is empty. */
  readonly isNew: boolean;
}

/**
 * Resolves the directory `to`, which need not exist. Follows links, and creates missing parents if `makes` is set. Throws
 * ERR_LOCAL_FILE.
 */
export function pullTarget(to: string, makes: boolean): PullTarget {
  try {
    const top = realPathOf(resolve(to), makes);
    return { top, isNew: lstatSync(top, { throwIfNoEntry: false }) === undefined || isEmpty(top) };
  } catch (error) {
    throw localError('pull into', to, error, 'give a directory that you may write to');
  }
}

function realPathOf(to: string, makes: boolean): string {
  if (existsSync(to)) return realpathSync(to);
  const above = dirname(to);
  if (makes && !existsSync(above)) makeDirectories(above);
  return join(realPathOf(above, false), basename(to));
}

const isEmpty = (directory: string): boolean => readdirSync(directory).length === 0;
