// Lists a directory of a buildlet without tree support.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, StatusError } from '../../errors.ts';
import { isReserved } from '../../files/reserved-names.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';

interface ListTreeOptions {
  /** Called with entries that cannot be listed, and why. */
  readonly onUnreadable?: (name: string, reason: string) => void;
  /** Called for each FIFO, device and socket. */
  readonly onOther?: (name: string) => void;
}

/**
 * Everything below the directory, files with their SHA-1. Throws a StatusError when there is no such directory.
 */
export async function listTree(
  client: BuildletClient,
  dir: string,
  signal: AbortSignal,
  { onUnreadable = () => undefined, onOther }: ListTreeOptions = {},
): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  const options = { recursive: true, digest: true, signal, onUnreadable };
  for await (const entry of client.listDir(dir === '.' ? '' : dir, options)) {
    const { type, name } = entry;
    if (name === '' || isReserved(name)) continue;
    if (type !== 'file' && type !== 'directory' && type !== 'symlink') {
      onOther?.(name);
      continue;
    }
    if (entries.length === treeLimits.entries) {
      throw new GomoteError('ERR_REPLY', `${client.name} lists too many entries`);
    }
    entries.push({
      kind: type,
      path: name,
      mode: type === 'symlink' ? 0 : entry.permissions,
      size: entry.size ?? 0,
      mtimeMs: entry.mtime?.getTime() ?? 0,
      digest: entry.digest ?? '',
      // A listing does not have it: links are always sent again.
      target: '',
    });
  }
  return entries;
}

/** Whether a call failed because this directory does not exist, and not because an entry in it was removed meanwhile. */
export const isAbsent = (error: unknown, dir: string): boolean =>
  error instanceof StatusError && error.text.includes(`/${dir}: no such file or directory`);
