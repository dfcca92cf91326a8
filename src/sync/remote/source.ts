// A directory of a buildlet that is pulled from: by the extension where it is announced, else by the base protocol.

import type { Compression } from '../../protocol/transfer.ts';
import type { TreeDifference } from '../../protocol/tree-difference.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import type { TreeSink } from '../../tree/tree-receiver.ts';

export interface Source {
  readonly algorithm: DigestAlgorithm;
  /** What tells this life of the work dir from others, once something has been asked. */
  readonly identity: string;
  /** What could not be read there, by path or the line of a listing, and why: it does not come. */
  readonly unread: ReadonlyMap<string, string>;
  /** Everything in the directory. */
  entries(): Promise<TreeEntry[]>;
  /** What the buildlet's commands have made of what was pushed into it. */
  differences(): Promise<TreeDifference[]>;
  /** Throws when there is no such directory. */
  requireDirectory(): Promise<void>;
  /** Gives these entries, or everything, to the sink. */
  fetch(entries: readonly TreeEntry[] | undefined, sink: TreeSink): Promise<void>;
}

export interface SourceOptions {
  /** Relative to the work dir, in plain form. */
  readonly dir: string;
  readonly compress: Compression | 'auto';
  readonly signal: AbortSignal;
  readonly onWire: (bytes: number) => void;
  /** Where files may be kept until they are proved, if they have to be. */
  readonly stageIn: string;
}
