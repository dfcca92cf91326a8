// What a buildlet says of a directory.
import type { TreeEntry } from '../../protocol/tree-entry.ts';

/** The state of a directory of the buildlet, as one digest. */
export interface TreeState {
  /** SHA-256 over the entries, in hex. */
  readonly digest: string;
  /** The version that a change must name: it fails when another change was made since. */
  readonly generation: string;
  /** Whether the buildlet supports zstd. */
  readonly zstd?: boolean | undefined;
  /** Whether it accepts a stream that names its contents. */
  readonly named?: boolean | undefined;
  /** Whether file names may have any bytes but NUL there. */
  readonly anyName?: boolean | undefined;
  /** SHA-256 over the times of the sent files, in hex; undefined when the buildlet cannot set times alone. */
  readonly times?: string | undefined;
  /** Whether another push is changing it. */
  readonly busy?: boolean | undefined;
  /** Whether it accepts streams without the contents that a store has, and has a store that is not empty. */
  readonly hasStore?: boolean | undefined;
  /** A tree that was made ahead, which a change of an empty directory can begin with. */
  readonly prepared?:
    | {
        /** The digest of its entries, as `digest` above. */
        readonly digest: string;
        /** The digest of its times, as `times` above. */
        readonly times: string;
      }
    | undefined;
}

/** The same, with what is in the directory. */
export interface TreeManifest extends TreeState {
  /** All of its entries. */
  readonly entries: TreeEntry[];
}
