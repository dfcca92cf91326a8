// A directory that trees are pushed into, held open.
import { GomoteError, isErrno } from '../../errors.ts';
import { OpenTree } from '../../files/open-tree.ts';
import { reachDirectory } from '../../files/reach.ts';
import { localFileError } from '../../tar/archive-error.ts';

/** `dir` is relative to the work directory, in plain form. */
export interface PushedDirectory {
  readonly workDir: string;
  readonly dir: string;
}

/** Calls the function with the directory, held; returns `absent` when there is none. */
export function withTree<T>(
  { workDir, dir }: PushedDirectory,
  absent: T,
  use: (tree: OpenTree) => T,
): T {
  let tree: OpenTree;
  try {
    tree = new OpenTree(reachDirectory(workDir, dir));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return absent;
    throw error instanceof GomoteError ? error : localFileError(dir, error);
  }
  try {
    return use(tree);
  } finally {
    tree.close();
  }
}
