// Reads a tree stream and tells a sink what to do, step by step. Nothing is told before its digest has proved it.
import { createHash, type Hash, hash } from 'node:crypto';
import { GomoteError } from '../errors.ts';
import {
  decodeChanges,
  decodeFailure,
  literalBytes,
  type TreeChange,
  treeStream,
} from '../protocol/tree-change.ts';

export interface TreeSink {
  /** All that a part of the stream does, before any of it is done, and the part's head. A throw refuses it. */
  begin(changes: readonly TreeChange[], head: Buffer): void;
  /** A change that has no content. */
  apply(change: TreeChange): void;
  /** A file whose content came in one piece. */
  whole(change: TreeChange, content: Buffer, sha256: Buffer): void;
  /** A file whose content comes piece by piece, until `close`. */
  open(change: TreeChange): void;
  content(piece: Buffer): void;
  close(sha256: Buffer): void;
}

const { lengthBytes, digestBytes, maxHeadBytes } = treeStream;

const damaged = (what: string): GomoteError => new GomoteError('ERR_LOST', `tree stream: ${what}`);

type State =
  | 'length'
  | 'head'
  | 'head digest'
  | 'file'
  | 'content'
  | 'digest'
  | 'end digest'
  | 'end';

export class TreeReceiver {
  readonly #sink: TreeSink;
  readonly #proof: Hash = createHash('sha256');
  #state: State = 'length';
  /** What has come of the field being read. */
  #field: Buffer[] = [];
  #fieldLeft: number = lengthBytes;
  #head = Buffer.alloc(0);
  #changes: readonly TreeChange[] = [];
  #next = 0;
  #contentLeft = 0;

  /** SHA-256 over the digests of all heads and contents, once the stream is whole. */
  proof = '';

  constructor(sink: TreeSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at += this.#take(chunk, at);
  }

  /** Says that the stream has ended. Throws ERR_LOST unless it was whole. */
  finish(): void {
    if (this.#state !== 'end') throw damaged('unexpected end');
  }

  /** Reads on from `at`; gives how many bytes it took. */
  #take(chunk: Buffer, at: number): number {
    if (this.#state === 'file') return this.#takeFile(chunk, at);
    if (this.#state === 'content') return this.#takeContent(chunk, at);
    if (this.#state === 'end') throw damaged('bytes after its end');
    const piece = chunk.subarray(at, at + this.#fieldLeft);
    this.#field.push(piece);
    this.#fieldLeft -= piece.length;
    if (this.#fieldLeft === 0) {
      const [only = piece] = this.#field;
      const field = this.#field.length === 1 ? only : Buffer.concat(this.#field);
      this.#field = [];
      this.#takeField(field);
    } else {
      // The chunk is not ours to keep.
      this.#field[this.#field.length - 1] = Buffer.from(piece);
    }
    return piece.length;
  }

  #expect(state: State, length: number): void {
    this.#state = state;
    this.#fieldLeft = length;
  }

  #takeField(field: Buffer): void {
    if (this.#state === 'length') {
      const length = field.readUInt32BE();
      if (length > maxHeadBytes) throw damaged('its head is too long');
      if (length === 0) this.#expect('end digest', digestBytes);
      else this.#expect('head', length);
    } else if (this.#state === 'head') {
      this.#head = Buffer.from(field);
      this.#expect('head digest', digestBytes);
    } else if (this.#state === 'head digest') this.#begin(field);
    else if (this.#state === 'digest') {
      this.#sink.close(field);
      this.#proof.update(field);
      this.#advance();
    } else {
      const proof = this.#proof.digest();
      if (!proof.equals(field)) throw damaged('wrong digest at its end');
      this.proof = proof.toString('hex');
      this.#state = 'end';
    }
  }

  #begin(digest: Buffer): void {
    if (hash('sha256', this.#head, 'hex') !== digest.toString('hex')) {
      throw damaged('wrong digest of its head');
    }
    const text = this.#head.toString();
    const failure = decodeFailure(text);
    if (failure !== undefined) throw new GomoteError('ERR_LOST', failure);
    const changes = decodeChanges(text);
    if (changes === undefined) throw damaged('bad head');
    this.#changes = changes;
    this.#next = 0;
    this.#proof.update(digest);
    this.#sink.begin(changes, this.#head);
    this.#head = Buffer.alloc(0);
    this.#advance();
  }

  /** Does what has no content, up to the next file. */
  #advance(): void {
    for (; ; this.#next++) {
      const change = this.#changes[this.#next];
      if (change === undefined) {
        this.#expect('length', lengthBytes);
        return;
      }
      if (change.op === 'write' && change.entry.kind === 'file') {
        this.#state = 'file';
        this.#contentLeft = literalBytes(change);
        return;
      }
      this.#sink.apply(change);
    }
  }

  #takeFile(chunk: Buffer, at: number): number {
    const change = this.#changes[this.#next++];
    if (change === undefined) throw damaged('no file is due');
    const end = at + this.#contentLeft;
    if (chunk.length < end + digestBytes) {
      this.#sink.open(change);
      this.#state = 'content';
      if (this.#contentLeft === 0) this.#expect('digest', digestBytes);
      return 0;
    }
    const sha256 = chunk.subarray(end, end + digestBytes);
    this.#sink.whole(change, chunk.subarray(at, end), sha256);
    this.#proof.update(sha256);
    this.#advance();
    return end + digestBytes - at;
  }

  #takeContent(chunk: Buffer, at: number): number {
    const piece = chunk.subarray(at, at + this.#contentLeft);
    this.#sink.content(piece);
    this.#contentLeft -= piece.length;
    if (this.#contentLeft === 0) this.#expect('digest', digestBytes);
    return piece.length;
  }
}
