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
  readonly #entries: Map<string, TreeEntry>;
  #isKnown = true;

  /** `begunWith`: the digest of the tree that the machine had made ahead and that the stream changes. */
  constructor(store: Contents, begunWith: string | undefined) {
    this.#store = store;
    const before = begunWith === undefined ? [] : lastTree(store);
    if (begunWith !== undefined) this.#isKnown = treeDigest(before) === begunWith;
    this.#entries = new Map(before.map((entry) => [entry.path, entry]));
  }

  /** A change, and for a file its digest. */
  see(change: TreeChange, digest = ''): void {
    if (this.#entries.size > mostEntries) this.#isKnown = false;
    if (!this.#isKnown) return;
    if (change.op === 'remove') this.#entries.delete(change.path);
    else if (change.op === 'write') {
      const { entry } = change;
      this.#entries.set(entry.path, entry.kind === 'file' ? { ...entry, digest } : entry);
    } else {
      const entry = this.#entries.get(change.path);
      const { op: _, ...changed } = change;
      if (entry !== undefined) this.#entries.set(change.path, { ...entry, ...changed });
    }
  }

  keep(): void {
    if (this.#isKnown) keepLastTree(this.#store, [...inOrder(this.#entries).values()]);
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
