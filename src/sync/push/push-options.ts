// How a tree is pushed.
import type { Compression } from '../../protocol/transfer.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { LocalTree, LocalTreeOptions } from '../local/local-tree.ts';

export interface PushOptions extends Omit<LocalTreeOptions, 'refuses'> {
  /** Where to, relative to the work directory, in plain form. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Also removes what was never sent. */
  readonly mirror?: boolean | undefined;
  /** Also replaces a directory that was sent, and is a file or link here now, with what builds have made in it. */
  readonly force?: boolean | undefined;
  /** Changes nothing; the summary says what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  /** Where what is known of trees is kept between pushes; absent: nowhere. */
  readonly cacheDirectory?: string | undefined;
  /** Called with what was found here, before anything is sent. */
  readonly onTree?: ((tree: LocalTree) => void) | undefined;
  /** Called with what will be done to each buildlet's tree. */
  readonly onPlan?: ((changes: readonly TreeChange[]) => void) | undefined;
  /** Which paths there are left alone, whatever is here. */
  readonly keeps?: ((path: string) => boolean) | undefined;
  /** The last word on what is done. */
  readonly adjust?: ((changes: TreeChange[]) => Promise<TreeChange[]>) | undefined;
  /** Called with the number of bytes of files as they are sent, to all buildlets at once. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}
