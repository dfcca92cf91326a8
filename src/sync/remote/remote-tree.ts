// A directory of a buildlet, for pushes, pulls and comparisons.
import type { TreeScope } from '../../client/files/trees.ts';
import type { StoredAnswer } from '../../protocol/stored.ts';
import type { Compression } from '../../protocol/transfer.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { TreeDifference } from '../../protocol/tree-difference.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import type { Chunk } from '../../tree/chunks.ts';
import type { TreeSink } from '../../tree/tree-sink.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';

/** A summary of what is there, and what the buildlet supports. */
export interface RemoteState {
  /** The digest of everything there; undefined where only the entries have it. */
  readonly digest: string | undefined;
  /** The digest of the times of files, as they were sent; undefined where no time is set alone. */
  readonly times: string | undefined;
  /** Whether another push is changing it. */
  readonly isBusy: boolean;
  /** Whether it accepts a stream that names its contents. */
  readonly takesNames: boolean;
  /** Whether there is a store that may have contents, so that it can be asked. */
  readonly hasStore: boolean;
  /** The digests of a tree that was made ahead, and of its times; where nothing is, a change can begin with it. */
  readonly prepared?: { readonly digest: string; readonly times: string } | undefined;
  /** Why an entry cannot be sent for its name or its link's target; undefined where all names can be sent. */
  readonly whyNameRefused: ((entry: TreeEntry) => string | undefined) | undefined;
}

/** A change of the tree. */
export interface TreeUpdate {
  /** The local tree, absolute. */
  readonly top: string;
  readonly changes: readonly TreeChange[];
  /** Everything that is to be there in the end. */
  readonly here: readonly FoundEntry[];
  /** Whether a directory with something in it makes room for a file or link. */
  readonly replacesDirectories: boolean;
  /** The digest of the tree that was made ahead, if the change begins with it. */
  readonly prepared?: string | undefined;
  /** Whether it makes the whole tree, where nothing is. */
  readonly isWhole?: boolean;
  /** A file's digest here, by the remote tree's algorithm; undefined when it has gone. */
  readonly digestOf: (entry: FoundEntry) => string | undefined;
  /** Called with a file here that cannot be read, before that is thrown. */
  readonly onUnread: (path: string, error: unknown) => void;
  /** The tree stream of the changes; shared by all buildlets that get the same. */
  readonly pieces: () => AsyncIterable<Uint8Array>;
  /** The stream's proof, once it has ended. */
  readonly proof: () => string;
  /** Where the stream names its contents: called with the digest of each file as the buildlet copies it. */
  readonly onDigest?: ((sha256: string) => void) | undefined;
}

export interface RemoteTree {
  readonly algorithm: DigestAlgorithm;
  /** The identity of the work directory, once a reply has said it. */
  readonly identity: string;
  /** By path or line of a listing: why something there could not be read. Known with the entries. */
  readonly unread: ReadonlyMap<string, string>;
  state(scope: TreeScope): Promise<RemoteState>;
  /** What is there. For a pull, throws when there is no such directory. */
  entries(scope: TreeScope): Promise<TreeEntry[]>;
  /** What was made ahead. */
  preparedEntries(): Promise<TreeEntry[]>;
  /** Everything below a directory of the tree, by paths of the tree. */
  entriesBelow(path: string): Promise<TreeEntry[]>;
  /** Whether a directory is known to be there that no push need have sent. */
  knowsDirectory(path: string): boolean;
  /** The chunks of a file, to send only what is new of it; undefined where the whole has to be sent. */
  chunks(path: string): Promise<Chunk[] | undefined>;
  /** Which contents a store has of a head with so many files of known digests; only where there is one. */
  stored(head: Buffer, files: number): Promise<StoredAnswer>;
  /**
   * Makes the changes, and proves that they were made. Throws ERR_STATUS with 409 when the tree is no longer what it was,
   * with 501 when the contents that a stream names are not the same there. Returns the entries that alone could not be made.
   */
  apply(update: TreeUpdate): Promise<readonly RefusedEntry[]>;
  /** Whether `read` has contents of known SHA-256 sent, and does not copy them on this machine. */
  sendsContents(): Promise<boolean>;
  /** Passes these entries, or everything, to the sink. */
  read(entries: readonly TreeEntry[] | undefined, sink: TreeSink): Promise<void>;
  /** What the buildlet's commands have made of what was pushed into it. Throws when there is no such directory. */
  differences(): Promise<TreeDifference[]>;
}

export interface RemoteTreeOptions {
  /** Relative to the work directory, in plain form. */
  readonly dir: string;
  readonly compress: Compression | 'auto';
  readonly signal: AbortSignal;
  readonly onWire: (bytes: number) => void;
  /** Where files that are read may be kept until they are proved. Default: the system's temporary directory. */
  readonly stageIn?: string | undefined;
}
