// A directory of a buildlet that a tree is pushed into: by the extension where it is announced, else by the base protocol.

import type { Scope } from '../../client/files/trees.ts';
import type { Compression } from '../../protocol/transfer.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import type { Chunk } from '../../tree/chunks.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';

/** One change of the tree, as it is sent. */
export interface Sending {
  /** Of the tree here, absolute. */
  readonly top: string;
  readonly changes: readonly TreeChange[];
  /** What is there now, as the changes were made for it. */
  readonly there: readonly TreeEntry[];
  /** What is to be there in the end. */
  readonly here: readonly FoundEntry[];
  /** A file's digest here, by the remote tree's algorithm; undefined when it has gone. */
  readonly digestOf: (entry: FoundEntry) => string | undefined;
  /** Told of a file here that cannot be read, before that is thrown. */
  readonly onUnread: (path: string, error: unknown) => void;
  /** The tree stream of the changes; shared by all buildlets that get the same. */
  readonly pieces: () => AsyncIterable<Uint8Array>;
  /** The stream's proof, once it has ended. */
  readonly proof: () => string;
  /** Where the stream names its contents: told the digest of each file as the buildlet copies it. */
  readonly onDigest?: ((sha256: string) => void) | undefined;
}

export interface RemoteTree {
  readonly algorithm: DigestAlgorithm;
  /** What tells this life of the work dir from others. */
  readonly identity: string;
  /** The digest of all that is there; undefined where only the entries tell. */
  readonly digest: string | undefined;
  /** The digest of the times of files, as they were sent; undefined where no time is set alone. */
  readonly times: string | undefined;
  /** Whether another push is changing it. */
  readonly isBusy: boolean;
  /** Whether it takes a stream that names its contents. */
  readonly takesNames: boolean;
  /** Why an entry cannot be sent for its name or its link's target; undefined where all names can be sent. */
  readonly whyNameRefused: ((entry: TreeEntry) => string | undefined) | undefined;
  entries(): Promise<TreeEntry[]>;
  /** By path, why something there could not be read, once the entries are known. */
  readonly unread: ReadonlyMap<string, string>;
  /** Whether a directory is known to be there that no push need have sent. */
  knowsDirectory(path: string): boolean;
  /** Everything below a directory of the tree, by paths of the tree. */
  entriesBelow(path: string): Promise<TreeEntry[]>;
  /** The chunks of a file, to send only what is new of it; undefined where the whole has to be sent. */
  chunks(path: string): Promise<Chunk[] | undefined>;
  /**
   * Makes the changes, and proves that they were made. Throws ERR_STATUS with 409 when the tree is no longer what it was,
   * with 501 when the contents that a stream names are not the same there. Gives the entries that alone could not be made.
   */
  send(sending: Sending): Promise<readonly RefusedEntry[]>;
}

export interface RemoteTreeOptions {
  readonly dir: string;
  /** Whether a directory with something in it makes room for a file or link. */
  readonly replacesDirectories: boolean;
  /** Whether all that is there is compared, or only what was pushed. */
  readonly scope: Scope;
  readonly compress: Compression | 'auto';
  readonly signal: AbortSignal;
  readonly onWire: (bytes: number) => void;
}
