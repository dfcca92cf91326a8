// A tree stream for a machine that reads the store by itself: it passes as it is, and what is sent in it is kept.
import type { Contents } from '../../store/contents.ts';
import { withStore } from '../../tree/store-sink.ts';
import { TreeReceiver } from '../../tree/tree-receiver.ts';
import type { StoreStream } from './store-stream.ts';
import { seenBy, type WholeTree } from './whole-tree.ts';

export class Pass implements StoreStream {
  readonly #receiver: TreeReceiver;
  readonly counts = { hits: 0, hitBytes: 0, misses: 0 };

  constructor(store: Contents, tree?: WholeTree) {
    const { counts } = this;
    const none = () => undefined;
    const miss = () => {
      counts.misses++;
    };
    const sink = {
      ...{ begin: none, apply: none, trust: none, content: none, close: none },
      whole: miss,
      open: miss,
      stored: ({ entry }: { entry: { size: number } }) => {
        counts.hits++;
        counts.hitBytes += entry.size;
      },
    };
    this.#receiver = new TreeReceiver(seenBy(tree, withStore(sink, store)), { store });
  }

  *take(piece: Buffer): Generator<Buffer, void, void> {
    try {
      this.#receiver.push(piece);
    } finally {
      // The machine finds out by itself what is wrong with it.
      yield piece;
    }
  }

  end(): Iterable<Buffer> {
    this.#receiver.finish();
    return [];
  }
}
