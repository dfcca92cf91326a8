// How a tree is pushed.
import type { Compression } from '../../protocol/transfer.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { LocalTree, LocalTreeOptions } from '../local/local-tree.ts';

export interface PushOptions extends Omit<LocalTreeOptions, 'refuses'> {
  /** The destination, relative to the work directory, in plain form. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Also removes entries that were never sent. */
  readonly mirror?: boolean | undefined;
  /** Also replaces a pushed directory that is now a file or link here, including build output in it. */
  readonly force?: boolean | undefined;
  /** Changes nothing; the summary shows what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  /** Where the states of trees are stored between pushes. Absent: nowhere. */
  readonly cacheDirectory?: string | undefined;
  /** Called with the local tree, before anything is sent. */
  readonly onTree?: ((tree: LocalTree) => void) | undefined;
  /** Called with the planned changes of each buildlet's tree. */
  readonly onPlan?: ((changes: readonly TreeChange[]) => void) | undefined;
  /** Remote paths that are always left alone. */
  readonly keeps?: ((path: string) => boolean) | undefined;
  /** Adjusts the planned changes. */
  readonly adjust?: ((changes: TreeChange[]) => Promise<TreeChange[]>) | undefined;
  /** Called with the number of bytes of files as they are sent, to all buildlets at once. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}
