// Which entries of a buildlet's tree are requested: all, those that commands have changed, or those that match patterns.
import { directoriesAbove } from '../../protocol/relative-path.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { IgnorePatterns } from '../ignore/ignore-patterns.ts';
import type { RemoteTree } from '../remote/remote-tree.ts';

interface RequestedEntries {
  readonly asked: readonly TreeEntry[];
  /** Paths that match one of the patterns, if there are patterns: `asked` also has their parent directories. */
  readonly matched?: readonly string[] | undefined;
}

/** Throws when there is no such directory. */
export async function requestedEntries(
  remote: RemoteTree,
  options: {
    readonly changedOnly?: boolean | undefined;
    readonly only?: readonly string[] | undefined;
  },
): Promise<RequestedEntries> {
  const changed = options.changedOnly ? await changedPaths(remote) : undefined;
  const all = changed?.size === 0 ? [] : await remote.entries('pull');
  const since = changed === undefined ? all : all.filter(({ path }) => changed.has(path));
  return options.only === undefined ? { asked: since } : matching(since, options.only);
}

async function changedPaths(remote: RemoteTree): Promise<Set<string>> {
  const differences = await remote.differences();
  const there = differences.filter(({ status }) => status !== 'D');
  return new Set(there.map(({ path }) => path));
}

/**
 * Whether a path of the tree matches one of the patterns of gitignore(5), or is below a directory that does. Patterns apply in
 * order: one that begins with `!` excludes what earlier ones match.
 */
export function pathMatcher(
  patterns: readonly string[],
): (path: string, isDirectory: boolean) => boolean {
  const rules = new IgnorePatterns(patterns);
  return (path, isDirectory) => rules.test(path, isDirectory) === true;
}

function matching(
  entries: readonly TreeEntry[],
  patterns: readonly string[],
): Required<RequestedEntries> {
  const matches = pathMatcher(patterns);
  const matched = entries.filter(({ path, kind }) => matches(path, kind === 'directory'));
  const wanted = new Set<string>();
  for (const { path } of matched) {
    wanted.add(path);
    for (const above of directoriesAbove(path)) wanted.add(above);
  }
  return {
    asked: entries.filter(({ path }) => wanted.has(path)),
    matched: matched.map(({ path }) => path),
  };
}
