// A tree stream as the machine gets it: in place of what is in the store, the content itself.
import { createHash, hash } from 'node:crypto';
import { bytesOfName } from '../../protocol/name-bytes.ts';
import {
  contentMarks,
  encodeFailure,
  type TreeChange,
  treeStream,
} from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import type { Contents } from '../../store/contents.ts';
import { withStore } from '../../tree/store-sink.ts';
import { SenderFailure } from '../../tree/stream-failure.ts';
import { TreeReceiver } from '../../tree/tree-receiver.ts';
import type { TreeSink } from '../../tree/tree-sink.ts';
import { seenBy, type WholeTree } from './whole-tree.ts';

const pieceBytes = 256 << 10;
/** Larger contents are proved while they go out. */
const wholeBytes = 1 << 20;
const { lengthBytes } = treeStream;

/** A tree stream on its way from a client to a machine, through the store. */
interface StoreStream {
  /** Contents that came from the store, the bytes in them, and contents that came in the stream. */
  readonly counts: { readonly hits: number; readonly hitBytes: number; readonly misses: number };
  /** What a piece of the stream becomes. Throws ERR_LOST for what is no tree stream. */
  take(piece: Buffer): Iterable<Buffer>;
  /** The end of the stream. Throws ERR_LOST when it was not whole. */
  end(): Iterable<Buffer>;
}

/** Reads a stream and writes it again, a step after each piece; nothing of it is trusted: the machine has the last word. */
export class Refill implements StoreStream {
  readonly #store: Contents;
  readonly #receiver: TreeReceiver;
  /** What goes out next: bytes, or what the store has. */
  #due: (Buffer | TreeEntry)[] = [];
  #piece = Buffer.allocUnsafeSlow(pieceBytes);
  #used = 0;
  readonly counts = { hits: 0, hitBytes: 0, misses: 0 };

  constructor(store: Contents, tree?: WholeTree) {
    this.#store = store;
    this.#receiver = new TreeReceiver(seenBy(tree, withStore(this.#sink, store)), { store });
  }

  *take(piece: Buffer): Generator<Buffer, void, void> {
    try {
      this.#receiver.push(piece);
    } catch (error) {
      yield* this.#write();
      if (!(error instanceof SenderFailure)) throw error;
      this.#head(bytesOfName(encodeFailure(error.message)));
    }
    yield* this.#write();
  }

  *end(): Generator<Buffer, void, void> {
    this.#receiver.finish();
    this.#due.push(Buffer.alloc(lengthBytes), Buffer.from(this.#receiver.proof, 'hex'));
    yield* this.#write();
    yield* this.#taken();
  }

  get #sink(): TreeSink {
    const due = (...fields: Buffer[]) => {
      for (const field of fields) this.#due.push(Buffer.from(field));
    };
    const mark = (change: TreeChange) => {
      this.counts.misses++;
      if (change.op === 'write' && change.content !== undefined) due(Buffer.of(contentMarks.sent));
    };
    return {
      begin: (_, head) => this.#head(head),
      apply: () => undefined,
      trust: () => undefined,
      whole: (change, content, sha256) => {
        mark(change);
        due(content, Buffer.from(sha256, 'hex'));
      },
      open: mark,
      content: (piece) => due(piece),
      close: (sha256) => due(Buffer.from(sha256, 'hex')),
      stored: ({ entry }) => this.#due.push(entry),
    };
  }

  #head(head: Buffer): void {
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32BE(head.length);
    this.#due.push(length, Buffer.from(head), hash('sha256', head, 'buffer'));
  }

  *#write(): Generator<Buffer, void, void> {
    const due = this.#due;
    this.#due = [];
    for (const field of due) {
      if (Buffer.isBuffer(field)) yield* this.#put(field);
      else yield* this.#content(field);
    }
  }

  *#content({ digest, size }: TreeEntry): Generator<Buffer, void, void> {
    const content = size <= wholeBytes ? this.#store.get(digest, size) : undefined;
    const pieces = size <= wholeBytes ? content && [content] : this.#store.read(digest, size);
    yield* this.#put(Buffer.of(pieces === undefined ? contentMarks.stored : contentMarks.sent));
    if (pieces === undefined) return;
    const sha256 = createHash('sha256');
    let left = size;
    for (const piece of pieces) {
      if (content === undefined) sha256.update(piece);
      yield* this.#put(piece);
      left -= piece.length;
    }
    // Of what is not whole, the machine finds out by the digest.
    if (content === undefined && sha256.digest('hex') !== digest) this.#store.damaged(digest);
    for (; left > 0; left -= pieceBytes) yield* this.#put(Buffer.alloc(Math.min(left, pieceBytes)));
    yield* this.#put(Buffer.from(digest, 'hex'));
    this.counts.hits++;
    this.counts.hitBytes += size;
  }

  *#put(bytes: Buffer): Generator<Buffer, void, void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#used === pieceBytes) yield* this.#taken();
      const copied = bytes.copy(this.#piece, this.#used, at);
      this.#used += copied;
      at += copied;
    }
  }

  /** The piece so far; its memory belongs to the reader from now on. */
  *#taken(): Generator<Buffer, void, void> {
    yield this.#piece.subarray(0, this.#used);
    this.#piece = Buffer.allocUnsafeSlow(pieceBytes);
    this.#used = 0;
  }
}

/** A tree stream for a machine that reads the store by itself: it passes as it is, and what is sent in it is kept. */
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
