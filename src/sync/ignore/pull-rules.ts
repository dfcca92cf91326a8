// What is not pulled from a buildlet's tree: what a push from here would not send.
import type { Stats } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { messageOf } from '../../errors.ts';
import { whyRefused } from '../../files/foreign-name.ts';
import { existsSync, lstatSync } from '../../files/named-fs.ts';
import { isOwn } from '../../files/reserved-names.ts';
import { directoryOf } from '../../protocol/relative-path.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { type GitOptions, gitWorkTree, ignoredOf } from './git.ts';
import { IgnorePatterns } from './ignore-patterns.ts';
import { IgnoreFiles, type IgnoreOptions, ignoreFileName, isEditorBackup } from './ignore-rules.ts';

export type PullRulesOptions = Omit<IgnoreOptions, 'leavesOut'>;

type LeavesOut = (path: string, isDirectory: boolean) => boolean;

export interface PullRules {
  readonly leavesOut: LeavesOut;
  /** Why rules cannot be read, by local directory: it is unknown what they exclude. */
  readonly unread: ReadonlyMap<string, string>;
}

/** Whether the rules only look at a path's last element, so that no other path must be known. */
export const areSimple = (top: string, { exclude = [], noIgnore }: PullRulesOptions): boolean =>
  exclude.length === 0 && (noIgnore === true || gitWorkTree(top) === undefined);

export const simpleRules =
  ({ noIgnore }: PullRulesOptions): LeavesOut =>
  (path, isDirectory) =>
    isOwn(path) || (noIgnore !== true && !isDirectory && isEditorBackup(nameOf(path)));

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** The rules of the tree at `top`, a real path, for these entries. Throws ERR_LOCAL_FILE and ERR_TIMEOUT. */
export async function pullRules(
  top: string,
  entries: readonly TreeEntry[],
  options: PullRulesOptions,
): Promise<PullRules> {
  const excluded = new IgnorePatterns(options.exclude ?? []);
  const isExcluded: LeavesOut = (path, isDirectory) =>
    isOwn(path) || excluded.test(path, isDirectory) === true;
  const unread = new Map<string, string>();
  if (options.noIgnore === true) return { leavesOut: isExcluded, unread };
  const directories = new RealDirectories(top);
  const files = new IgnoreFiles(top);
  for (const directory of directories.above(entries)) {
    const file = join(top, directory, ignoreFileName);
    if (!existsSync(file)) continue;
    try {
      files.enter(directory, [ignoreFileName]);
    } catch (error) {
      if (directory === '') throw error;
      unread.set(directory, messageOf(error).slice(`${directory}: `.length));
    }
  }
  const ignored = await gitIgnored(top, entries, directories, options);
  const leavesOut: LeavesOut = (path, isDirectory) => {
    if (isExcluded(path, isDirectory)) return true;
    const said = files.ignores(path, isDirectory);
    if (said !== undefined) return said;
    if (ignored !== undefined) return ignored.has(isDirectory ? `${path}/` : path);
    return !isDirectory && isEditorBackup(nameOf(path));
  };
  return { leavesOut, unread };
}

/** The paths that git ignores, directories with a trailing slash; undefined outside git. */
async function gitIgnored(
  top: string,
  entries: readonly TreeEntry[],
  directories: RealDirectories,
  options: GitOptions,
): Promise<ReadonlySet<string> | undefined> {
  const workTree = gitWorkTree(top);
  if (workTree === undefined) return undefined;
  const above = relative(workTree, top).split(sep).filter(Boolean).join('/');
  // The directory itself is ignored, but was asked for explicitly.
  if (above !== '' && (await ignoredOf(workTree, [`${above}/`], options)).length > 0)
    return new Set();
  /** Groups the paths by their repository below the top. */
  const byRepository = new Map<string, string[]>();
  for (const { path, kind } of entries) {
    const isReachable = directories.leadTo(kind === 'directory' ? `${path}/` : path);
    if (whyRefused(path) !== undefined || !isReachable) continue;
    const repository = directories.repositoryOf(path);
    const paths = byRepository.get(repository) ?? [];
    byRepository.set(repository, paths);
    paths.push((kind === 'directory' ? `${path}/` : path).slice(repository.length));
  }
  const ignored = new Set<string>();
  for (const [repository, paths] of byRepository) {
    const isOuter = repository === '';
    const prefix = isOuter && above !== '' ? `${above}/` : '';
    const asked = paths.filter((path) => path !== '').map((path) => prefix + path);
    const found = await ignoredOf(isOuter ? workTree : join(top, repository), asked, options);
    for (const path of found) ignored.add(repository + path.slice(prefix.length));
  }
  return ignored;
}

/** Which directories below the top are real directories here, not links. */
class RealDirectories {
  readonly #top: string;
  /** By path: the repository that contains it, as a path prefix. */
  readonly #repositories = new Map<string, string | undefined>();

  constructor(top: string) {
    this.#top = top;
    this.#repositories.set('', '');
  }

  /** The parent directories of entries, empty for the top. */
  above(entries: readonly TreeEntry[]): string[] {
    for (const { path } of entries) if (whyRefused(path) === undefined) this.leadTo(path);
    return [...this.#repositories].flatMap(([path, it]) => (it === undefined ? [] : [path]));
  }

  /** Whether all parents of the path are real directories; with a trailing slash, also the path itself. */
  leadTo(path: string): boolean {
    return this.#lookAt(directoryOf(path)) !== 'blocked';
  }

  repositoryOf(path: string): string {
    const found = this.#lookAt(directoryOf(path));
    return found === 'blocked' ? '' : found;
  }

  #lookAt(directory: string): string | 'blocked' {
    if (this.#repositories.has(directory)) return this.#repositories.get(directory) ?? 'blocked';
    const above = this.#lookAt(directoryOf(directory));
    if (above === 'blocked') return above;
    const absolute = join(this.#top, directory);
    const stats = statsOf(absolute);
    // A missing entry belongs to the repository of its future parent.
    if (stats === undefined) return above;
    const isReal = stats !== 'unknown' && stats.isDirectory();
    const isRepository = isReal && existsSync(join(absolute, '.git'));
    const found = isReal ? (isRepository ? `${directory}/` : above) : undefined;
    this.#repositories.set(directory, found);
    return found ?? 'blocked';
  }
}

function statsOf(path: string): Stats | 'unknown' | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // For example in a directory without search permission: writing there fails with the reason.
    return 'unknown';
  }
}
