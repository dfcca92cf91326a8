// The entries of a tree that passes as a whole, for the store to remember: the user's next machine can make it ahead.
import { inOrder } from '../../buildlet/trees/sent-entries.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import { type TreeEntry, treeDigest } from '../../protocol/tree-entry.ts';
import type { Contents } from '../../store/contents.ts';
import { keepLastTree, lastTree } from '../../store/last-tree.ts';
import { passingTo, type TreeSink } from '../../tree/tree-sink.ts';

/** Larger trees are not remembered. */
const mostEntries = 200_000;

export class WholeTree {
  readonly #store: Contents;
  readonly #begunWith: string | undefined;
  #seen: (readonly [TreeChange, string])[] = [];
  #isTooLarge = false;

  /** `begunWith`: the digest of the tree that the machine had made ahead and that the stream changes. */
  constructor(store: Contents, begunWith: string | undefined) {
    this.#store = store;
    this.#begunWith = begunWith;
  }

  /** A change, and for a file its digest. */
  see(change: TreeChange, digest = ''): void {
    this.#isTooLarge ||= this.#seen.length === mostEntries;
    if (this.#isTooLarge) this.#seen = [];
    else this.#seen.push([change, digest]);
  }

  /** To be called when the stream has passed: no machine waits for it. */
  keep(): void {
    // A tree that was begun with and not changed is remembered already.
    if (this.#isTooLarge || (this.#begunWith !== undefined && this.#seen.length === 0)) return;
    const before = this.#begunWith === undefined ? [] : lastTree(this.#store);
    if (this.#begunWith !== undefined && treeDigest(before) !== this.#begunWith) return;
    const entries = new Map(before.map((entry) => [entry.path, entry]));
    for (const [change, digest] of this.#seen) apply(entries, change, digest);
    keepLastTree(this.#store, [...inOrder(entries).values()]);
  }
}

function apply(entries: Map<string, TreeEntry>, change: TreeChange, digest: string): void {
  if (change.op === 'remove') entries.delete(change.path);
  else if (change.op === 'write') {
    const { entry } = change;
    entries.set(entry.path, entry.kind === 'file' ? { ...entry, digest } : entry);
  } else {
    const entry = entries.get(change.path);
    const { op: _, ...changed } = change;
    if (entry !== undefined) entries.set(change.path, { ...entry, ...changed });
  }
}

/** The sink, of which the tree sees what comes. */
export function seenBy(tree: WholeTree | undefined, sink: TreeSink): TreeSink {
  if (tree === undefined) return sink;
  let open: TreeChange | undefined;
  const { stored } = sink;
  return {
    ...passingTo(sink),
    apply: (change) => {
      tree.see(change);
      sink.apply(change);
    },
    whole: (change, content, sha256, isProved) => {
      tree.see(change, sha256);
      sink.whole(change, content, sha256, isProved);
    },
    open: (change) => {
      open = change;
      sink.open(change);
    },
    close: (sha256) => {
      if (open !== undefined) tree.see(open, sha256);
      sink.close(sha256);
    },
    ...(stored && {
      stored: (change) => {
        tree.see(change, change.entry.digest);
        stored(change);
      },
    }),
  };
}
