// Entries of a tree that could not be read, which are reported with the rest.
import type { GomoteError } from '../../errors.ts';
import type { TreeDifference } from '../../protocol/tree-difference.ts';
import { specialFileText } from '../../protocol/unread.ts';
import { isGit } from '../../tree/tree-walk.ts';

export class Problems {
  /** By path in the tree, why. */
  readonly unread = new Map<string, string>();

  readonly add = (path: string, { code, message }: GomoteError): void => {
    // Reserved names are not a problem.
    if (code !== 'ERR_LOCAL_FILE') return;
    this.unread.set(path, message.slice(message.lastIndexOf(': ') + 2));
  };

  /** For a walk that tells also of what a tree does not have. */
  readonly ofWalk = {
    leaveOut: isGit,
    onProblem: this.add,
    onOther: (path: string): void => void this.unread.set(path, specialFileText),
  };

  /** The differences without unknown ones: entries of an unreadable directory are not necessarily gone. */
  known(differences: TreeDifference[]): TreeDifference[] {
    const starts = [...this.unread.keys()].map((path) => `${path}/`);
    if (starts.length === 0) return differences;
    const isKnown = (path: string) => !starts.some((start) => `${path}/`.startsWith(start));
    return differences.filter(({ status, path }) => status !== 'D' || isKnown(path));
  }
}
