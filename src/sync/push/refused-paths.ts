// Paths of a tree that are not sent to a buildlet, and why.
import { GomoteError } from '../../errors.ts';
import { directoriesAbove } from '../../protocol/relative-path.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import type { RemoteState, RemoteTree } from '../remote/remote-tree.ts';

/** The entries, sorted by path, whose names cannot be sent, and why; for a directory, not those below it. */
export function refusedNames(
  entries: readonly TreeEntry[],
  { whyNameRefused }: RemoteState,
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

/** What the buildlet cannot read, and why. */
export const unreadRemote = ({ unread }: RemoteTree): Map<string, GomoteError> =>
  new Map(
    [...unread].map(([path, reason]) => [
      path,
      new GomoteError('ERR_LOST', `${path}: cannot be read there: ${reason}`),
    ]),
  );

/** Whether one of these is below the path. */
export const holds = (path: string, paths: ReadonlyMap<string, unknown>): boolean =>
  [...paths.keys()].some((one) => one.startsWith(`${path}/`));

/** Whether a path is one of these, or below one of them. */
export function isBelow(paths: ReadonlyMap<string, unknown>, path: string): boolean {
  if (paths.size === 0) return false;
  if (paths.has(path)) return true;
  for (const above of directoriesAbove(path)) if (paths.has(above)) return true;
  return false;
}

/** What is not sent, and what the buildlet has refused. */
export function addRefused(
  before: ReadonlyMap<string, GomoteError>,
  refused: readonly RefusedEntry[],
): ReadonlyMap<string, GomoteError> {
  const all = new Map(before);
  for (const { path, code, why } of refused) {
    const isInTheWay = code === 'ERR_CONFLICT';
    const hint = isInTheWay ? 'give --force to replace what is there' : undefined;
    const message = why.includes(path) ? why : `${path}: ${why}`;
    all.set(path, new GomoteError(isInTheWay ? code : 'ERR_ARCHIVE', message, { hint }));
  }
  return all;
}

/**
 * The paths that would replace a directory that contains entries that were not sent, and why they are refused: build output must
 * not be removed silently.
 */
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
