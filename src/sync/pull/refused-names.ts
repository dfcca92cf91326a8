// What of a tree a buildlet cannot get for its name.
import { GomoteError } from '../../errors.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import type { RemoteTree } from '../remote/remote-tree.ts';

/** The entries, which are in the order of paths, whose names cannot be sent, and why; of a directory, not those below it. */
export function refusedNames(
  entries: readonly TreeEntry[],
  { whyNameRefused }: RemoteTree,
): Map<string, GomoteError> {
  const refused = new Map<string, GomoteError>();
  if (whyNameRefused === undefined) return refused;
  let below: string | undefined;
  for (const entry of entries) {
    const { path, kind } = entry;
    if (below !== undefined && path.startsWith(below)) continue;
    const reason = whyNameRefused(entry);
    if (reason === undefined) continue;
    refused.set(path, new GomoteError('ERR_PATH', `${path}: ${reason}`));
    if (kind === 'directory') below = `${path}/`;
  }
  return refused;
}
