import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type FoundEntry, walkTreeInTurns } from '../archive/tree-walk.ts';
import { errnoOf, GomoteError } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';
import { askGit, gitWorkTree } from './ask-git.ts';
import { type IgnoreOptions, ignoreRules } from './ignore-rules.ts';

export interface LocalTree {
  /** Absolute, without links. */
  readonly top: string;
  /** In the order of paths, without digests. */
  readonly entries: readonly FoundEntry[];
  /** FIFOs, devices and sockets, which a tree cannot have. */
  readonly others: readonly string[];
  /** When the reading began: what has changed since may not be what was read. */
  readonly readMs: number;
}

/** The real path of a directory of this machine; throws ERR_LOCAL_FILE. */
export function realDirectory(directory: string): string {
  try {
    const real = realpathSync(directory);
    if (statSync(real).isDirectory()) return real;
    throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
  } catch (error) {
    const reason = errnoText(errnoOf(error) ?? String(error));
    throw new GomoteError('ERR_LOCAL_FILE', `cannot read "${directory}": ${reason}`, {
      hint: 'give the directory to push',
      cause: error,
    });
  }
}

/** Reads the names, kinds and times below `top`, a real path. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
export async function readLocalTree(top: string, options: IgnoreOptions): Promise<LocalTree> {
  const rules = await ignoreRules(top, options);
  const readMs = Date.now();
  const others: string[] = [];
  const repositories: string[] = [];
  const entries = await walkTreeInTurns(top, {
    onDirectory: rules.enter,
    leaveOut: (path, isDirectory) => {
      if (path.endsWith('/.git')) repositories.push(path.slice(0, -'/.git'.length));
      return rules.leavesOut(path, isDirectory);
    },
    onOther: (path) => others.push(path),
  });
  if (options.noIgnore === true || gitWorkTree(top) === undefined) {
    return { top, entries, others, readMs };
  }
  let kept = entries;
  // git says nothing of what is inside a repository in the repository.
  for (const repository of repositories)
    kept = await withoutIgnored(top, repository, kept, options);
  return { top, entries: kept, others, readMs };
}

async function withoutIgnored(
  top: string,
  repository: string,
  entries: FoundEntry[],
  options: IgnoreOptions,
): Promise<FoundEntry[]> {
  const ignored = await askGit(join(top, repository), options);
  if (ignored.size === 0) return entries;
  const prefix = `${repository}/`;
  let skipped: string | undefined;
  return entries.filter(({ path, kind }) => {
    if (!path.startsWith(prefix)) return true;
    if (skipped !== undefined && path.startsWith(skipped)) return false;
    const below = path.slice(prefix.length);
    if (!ignored.has(kind === 'directory' ? `${below}/` : below)) return true;
    if (kind === 'directory') skipped = `${path}/`;
    return false;
  });
}
