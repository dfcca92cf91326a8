// Which local tree is pushed, and where to. What pushes it is not loaded for that.
import { basename } from 'node:path';
import { currentDirectory } from '../files/named-fs.ts';
import { gitWorkTree } from '../sync/ignore/git.ts';
import { realDirectory } from '../sync/local/local-tree.ts';
import { checkOptionalText } from './arguments.ts';
import { directoryInside } from './work-dir-path.ts';

/** A local tree, as a real path, and its destination. */
export interface PushPlace {
  readonly top: string;
  readonly dir: string;
}

/** The tree and its destination; without `given`, the git work tree around the current directory, or that directory. */
export function pushPlace(
  given: string | undefined,
  dest: string | undefined,
  what = 'dest',
): PushPlace {
  checkOptionalText('the directory', given);
  const top = realDirectory(given ?? gitWorkTree(currentDirectory()) ?? currentDirectory());
  return { top, dir: directoryInside(what, dest ?? basename(top)) };
}
