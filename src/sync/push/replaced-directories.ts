// Finds directories there that are files or links here: build output in them must not be removed silently.
import { GomoteError } from '../../errors.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import type { RemoteTree } from '../remote/remote-tree.ts';

/** The paths that would replace a directory that contains entries that were not sent, and why they are refused. */
export async function replacedDirectories(
  changes: readonly TreeChange[],
  there: readonly TreeEntry[],
  remote: RemoteTree,
): Promise<Map<string, GomoteError>> {
  const directories = new Set<string>();
  for (const { kind, path } of there) if (kind === 'directory') directories.add(path);
  const removed = new Set<string>();
  const replaced: string[] = [];
  for (const change of changes) {
    if (change.op === 'remove') removed.add(change.path);
    if (change.op !== 'write' || change.entry.kind === 'directory') continue;
    const { path } = change.entry;
    if (directories.has(path) || remote.knowsDirectory(path)) replaced.push(path);
  }
  const refused = new Map<string, GomoteError>();
  for (const path of replaced) {
    const left = (await remote.entriesBelow(path)).filter(
      (entry) => entry.kind !== 'directory' && !removed.has(entry.path),
    );
    const [first] = left;
    if (first !== undefined) refused.set(path, notEmpty(path, first.path, left.length));
  }
  return refused;
}

function notEmpty(path: string, first: string, count: number): GomoteError {
  const what = count === 1 ? first : `${first} and ${count - 1} more`;
  return new GomoteError('ERR_CONFLICT', `${path} is a directory there, with ${what} in it`, {
    hint: 'give --force to replace what is there',
  });
}
