// A directory that trees are pushed into, held open.
import { isErrno } from '../../errors.ts';
import { OpenTree } from '../../files/open-tree.ts';
import { reachDirectory } from '../../files/reach.ts';
import { localFileError } from '../../tar/archive-error.ts';

/** `dir` is relative to the work directory, in plain form. */
export interface PushedDirectory {
  readonly workDir: string;
  readonly dir: string;
}

/** Calls the function with the directory, held open. Undefined when there is none. */
export function withTree<T>(
  { workDir, dir }: PushedDirectory,
  use: (tree: OpenTree) => T,
): T | undefined {
  let tree: OpenTree;
  try {
    tree = new OpenTree(reachDirectory(workDir, dir));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw localFileError(dir, error);
  }
  try {
    return use(tree);
  } finally {
    tree.close();
  }
}
