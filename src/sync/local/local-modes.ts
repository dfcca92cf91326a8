// Modes of a tree on Windows, whose file systems have none: those of git's index, else what the content tells.
import { sentMode, usualModes } from '../../files/file-modes.ts';
import { nameFromBytes } from '../../protocol/name-bytes.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { type GitOptions, gitWorkTree, runGit } from '../ignore/git.ts';

/** Gives an entry its mode. */
export type WithMode = (entry: FoundEntry) => FoundEntry;

/** Undefined where the file system keeps modes. */
export async function localModes(
  top: string,
  options: GitOptions,
  platform: NodeJS.Platform = process.platform,
): Promise<WithMode | undefined> {
  if (platform !== 'win32') return undefined;
  const tracked = await indexModes(top, options);
  return (entry) => {
    if (entry.kind === 'symlink') return entry;
    const known = entry.kind === 'file' ? tracked.get(entry.path) : undefined;
    const type = entry.kind === 'directory' ? 0o040000 : 0o100000;
    const mode = known ?? sentMode({ mode: type }, `${top}/${entry.path}`, platform);
    return { ...entry, mode };
  };
}

/** By path below `top`: what git's index says. Empty where there is no git, or it does not answer. */
async function indexModes(top: string, options: GitOptions): Promise<Map<string, number>> {
  const modes = new Map<string, number>();
  if (gitWorkTree(top) === undefined) return modes;
  try {
    const { status, stdout } = await runGit(top, ['ls-files', '-s', '-z'], options);
    if (status !== 0) return modes;
    for (const line of nameFromBytes(stdout).split('\0')) {
      const [, mode, path] = /^(100644|100755) [0-9a-f]+ [0-9]\t(.*)$/s.exec(line) ?? [];
      if (path === undefined) continue;
      modes.set(path, mode === '100755' ? usualModes.program : usualModes.file);
    }
  } catch {
    options.signal?.throwIfAborted();
  }
  return modes;
}
