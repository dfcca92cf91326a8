// A directory as a compressed tar stream.
import { join, resolve } from 'node:path';
import { realRoot } from '../files/confine.ts';
import { type Reached, reachTree } from '../files/reach.ts';
import type { Compression } from '../protocol/transfer.ts';
import { abortError, localFileError } from './archive-error.ts';
import { compressed, oneMember } from './compress.ts';
import { type BlockOptions, type PackTotals, TarBlocks } from './tar-blocks.ts';

export type { PackTotals } from './tar-blocks.ts';

export interface PackOptions extends BlockOptions {
  /** Default `gzip`. `none` is gzip, too: its pieces are stored as they are, each with its checksum. */
  compress?: Compression | undefined;
  /** Whether the stream must be one gzip member. Default: several, compressed side by side. */
  release?: boolean | undefined;
  /**
   * Only these, relative to `dir`, in this order; a directory stands for its own entry, not for what is in it.
   * Default: everything. One that is absent, or below a link, fails with ERR_LOST.
   */
  paths?: Iterable<string> | undefined;
  /** Is counted up while packing. */
  totals?: PackTotals | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * `dir`, a path of the protocol below `root`, as tar in gzip or zstd. Names are relative to it; a directory's end in
 * `/`; entries are depth-first, each directory sorted by name as bytes. A regular file gives one entry with its base
 * name.
 *
 * Symbolic links, FIFOs, permissions and times in whole seconds are kept; owners and sockets are not, and of hard
 * links each is a file.
 *
 * Before the first byte it throws ERR_PATH for `dir` and ERR_LOCAL_FILE when there is no such file. Later failures
 * leave an incomplete stream: ERR_LOST when a file was changed while it was read,
 * ERR_LOCAL_FILE for one that cannot be read, ERR_ARCHIVE for a device or a name that is not UTF-8, ERR_ABORTED.
 */
export async function* packTar(
  root: string,
  dir: string,
  options: PackOptions = {},
): AsyncGenerator<Buffer, void, void> {
  const { signal, paths, compress = 'gzip', totals = { files: 0, bytes: 0 } } = options;
  if (signal?.aborted) throw abortError('packing', signal);
  const { tree, single } = open(root, dir);
  const blocks = new TarBlocks(tree, totals, options);
  const pieces =
    single !== undefined
      ? blocks.single(single.name, single.stats)
      : paths === undefined
        ? blocks.all()
        : blocks.listed(paths);
  // The reader may pause for long between two steps: no file must stay open meanwhile.
  const abort = () => pieces.return();
  signal?.addEventListener('abort', abort);
  try {
    yield* options.release ? oneMember(pieces, signal) : compressed(pieces, compress, signal);
  } catch (error) {
    throw signal?.aborted ? abortError('packing', signal) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
    pieces.return();
    tree.close();
  }
}

function open(root: string, dir: string): Reached {
  const real = realRoot(root);
  try {
    return reachTree(real, dir);
  } catch (error) {
    throw localFileError(`lstat ${join(resolve(root), dir)}`, error);
  }
}
