// What a tree stream drives, step by step.
import type { TreeChange, WriteChange } from '../protocol/tree-change.ts';
import type { FileSink } from './tree-files.ts';

export interface TreeSink extends FileSink {
  /** The changes of a part of the stream, before they are applied, and the part's head. A throw refuses them. */
  begin(changes: readonly TreeChange[], head: Buffer): void;
  /** A change that has no content. */
  apply(change: TreeChange): void;
  /** A file whose content a store has. Absent: it is taken from the store of who reads the stream. */
  stored?(change: WriteChange): void;
  /**
   * Called when all contents are copied on this machine: they are not verified, and their digests may be empty where
   * they are not needed.
   */
  trust(): void;
}
