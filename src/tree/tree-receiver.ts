// Parses a tree stream and drives a sink, step by step. Nothing is passed on before its digest is verified.
import { createHash, type Hash, hash } from 'node:crypto';
import { quoted } from '../printable.ts';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import {
  contentMarks,
  decodeChanges,
  decodeFailure,
  decodeKnownHead,
  decodeNamed,
  givenUpDigest,
  isFileWrite,
  isPatch,
  type KnownHead,
  literalBytes,
  type TreeChange,
  treeStream,
  type WriteChange,
} from '../protocol/tree-change.ts';
import { treeLimits } from '../protocol/tree-limits.ts';
import type { Contents } from '../store/contents.ts';
import { takeStored } from './stored-content.ts';
import { damaged, SenderFailure } from './stream-failure.ts';
import { TreeFiles } from './tree-files.ts';
import type { TreeSink } from './tree-sink.ts';

const { lengthBytes, digestBytes } = treeStream;

/** How much is copied in a step, in bytes: a few milliseconds of work. */
const stepBytes = 16 << 20;
/** Creating a file takes as long as transferring this many bytes. */
const bytesPerFile = 32 << 10;

type State =
  | 'length'
  | 'head'
  | 'head digest'
  | 'mark'
  | 'file'
  | 'content'
  | 'digest'
  | 'end digest'
  | 'end';

export interface TreeReceiverOptions {
  /**
   * Whether to accept a stream that names files of this machine, and whether to hash them while they are copied. Only a trusted
   * sender on this machine may name them. Default: such a stream is refused.
   */
  readonly named?: 'digested' | 'undigested';
  /** The directory that must contain the named tree. Default: anywhere, because the sender may do anything here. */
  readonly namedIn?: string | undefined;
  /** Where contents and heads are that the stream says a store has. Default: nowhere. */
  readonly store?: Contents | undefined;
}

export class TreeReceiver {
  readonly #sink: TreeSink;
  readonly #options: TreeReceiverOptions;
  readonly #proof: Hash = createHash('sha256');
  #state: State = 'length';
  #isBegun = false;
  #field: Buffer[] = [];
  #fieldLeft: number = lengthBytes;
  #head = Buffer.alloc(0);
  #changes: readonly TreeChange[] = [];
  #next = 0;
  #contentLeft = 0;
  /** Of all parts. */
  #headsBytes = 0;
  #count = 0;
  /** Where the contents are, when the stream does not carry them. */
  #files: TreeFiles | undefined;
  /** The changes whose contents the stream does not carry. */
  #due: TreeChange[] = [];

  /** The first file whose content a store should have had. */
  #lacking: WriteChange | undefined;

  /** SHA-256 over the digests of all heads and contents, once the stream is whole. */
  proof = '';

  constructor(sink: TreeSink, options: TreeReceiverOptions = {}) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Whether the stream has no contents but names them. */
  get isNamed(): boolean {
    return this.#files !== undefined;
  }

  /** Parses the next bytes. Call `copy` afterwards for a stream that names its contents. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at += this.#take(chunk, at);
  }

  /** Applies a stream without contents, in short steps between which other work can run. */
  *copy(): Generator<void, void, void> {
    const files = this.#files;
    if (files === undefined) return;
    const due = this.#due;
    this.#due = [];
    let bytes = Infinity;
    for (const change of due) {
      if (bytes >= stepBytes) {
        yield;
        bytes = 0;
      }
      bytes += bytesPerFile;
      if (!isFileWrite(change)) this.#sink.apply(change);
      else {
        for (const copied of files.copy(change, this.#sink)) {
          bytes += copied;
          if (bytes < stepBytes) continue;
          yield;
          bytes = 0;
        }
      }
    }
  }

  /** Call at the end of the stream. Throws ERR_LOST unless it was complete. */
  finish(): void {
    this.#files?.close();
    const lacking = this.#lacking && quoted(this.#lacking.entry.path);
    if (lacking !== undefined) throw damaged(`the store has lost ${lacking}`);
    if (this.#state !== 'end' || this.#due.length > 0) throw damaged('unexpected end');
  }

  /** Parses from `at`. Returns how many bytes were consumed. */
  #take(chunk: Buffer, at: number): number {
    if (this.#state === 'mark') return this.#takeMark(chunk[at]);
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
      // The chunk's buffer belongs to the caller.
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
      this.#countHead(length);
      this.#expect(length === 0 ? 'end digest' : 'head', length || digestBytes);
    } else if (this.#state === 'head') {
      this.#head = Buffer.from(field);
      this.#expect('head digest', digestBytes);
    } else if (this.#state === 'head digest') this.#begin(field);
    else if (this.#state === 'digest') {
      this.#proof.update(field);
      if (!this.#isGivenUp(field)) this.#sink.close(field.toString('hex'));
      this.#advance();
    } else {
      const proof = this.#proof.digest();
      if (!proof.equals(field)) throw damaged('wrong digest at its end');
      this.proof = proof.toString('hex');
      this.#state = 'end';
    }
  }

  #countHead(length: number): void {
    this.#headsBytes += length;
    const isTooLong = length > treeLimits.headBytes || this.#headsBytes > treeLimits.headsBytes;
    if (isTooLong) throw damaged('its head is too long');
  }

  #begin(digest: Buffer): void {
    if (hash('sha256', this.#head, 'hex') !== digest.toString('hex')) {
      throw damaged('wrong digest of its head');
    }
    const known = decodeKnownHead(nameFromBytes(this.#head));
    if (known !== undefined) this.#head = this.#knownHead(known);
    const text = nameFromBytes(this.#head);
    const failure = decodeFailure(text);
    if (failure !== undefined) throw new SenderFailure(failure);
    this.#proof.update(known === undefined ? digest : Buffer.from(known.digest, 'hex'));
    const { named: how, namedIn } = this.#options;
    const named = this.#isBegun || how === undefined ? undefined : decodeNamed(text);
    this.#isBegun = true;
    if (named === undefined) this.#beginPart(text);
    else {
      this.#files = TreeFiles.of(named, how === 'digested', namedIn);
      this.#sink.trust();
    }
    this.#head = Buffer.alloc(0);
    this.#advance();
  }

  #knownHead({ digest, size }: KnownHead): Buffer<ArrayBuffer> {
    this.#countHead(size);
    const head = this.#options.store?.get(digest, size);
    if (head !== undefined) return Buffer.from(head);
    throw damaged('the store has lost its head');
  }

  #beginPart(text: string): void {
    const changes = decodeChanges(text);
    if (changes === undefined) throw damaged('bad head');
    this.#count += changes.length;
    if (this.#count > treeLimits.entries) throw damaged('too many changes');
    const isNamed = this.#files !== undefined;
    // The source of a patch may be gone by the time it is applied.
    if (isNamed && changes.some(isPatch)) throw damaged('a patch without its contents');
    this.#sink.begin(changes, this.#head);
    if (isNamed) this.#due = this.#due.concat(changes);
    this.#changes = isNamed ? [] : changes;
    this.#next = 0;
  }

  /** Applies changes without content, up to the next file. */
  #advance(): void {
    for (; ; this.#next++) {
      const change = this.#changes[this.#next];
      if (change === undefined) {
        this.#expect('length', lengthBytes);
        return;
      }
      if (isFileWrite(change)) {
        this.#state = change.content === undefined ? 'file' : 'mark';
        this.#contentLeft = change.content === undefined ? literalBytes(change) : change.entry.size;
        return;
      }
      this.#sink.apply(change);
    }
  }

  #takeMark(mark: number | undefined): number {
    const change = this.#changes[this.#next];
    if (mark === contentMarks.sent) this.#state = 'file';
    else if (mark !== contentMarks.stored || change?.op !== 'write') throw damaged('bad mark');
    else {
      this.#proof.update(Buffer.from(change.entry.digest, 'hex'));
      if (this.#sink.stored !== undefined) this.#sink.stored(change);
      // The rest is taken anyway: it need not be sent again, and what else is missing is found out.
      else if (!takeStored(change, this.#options.store, this.#sink)) this.#lacking ??= change;
      this.#next++;
      this.#advance();
    }
    return 1;
  }

  #takeFile(chunk: Buffer, at: number): number {
    const change = this.#changes[this.#next++];
    if (change?.op !== 'write') throw damaged('no file is due');
    const end = at + this.#contentLeft;
    if (chunk.length < end + digestBytes) {
      this.#sink.open(change);
      this.#state = 'content';
      if (this.#contentLeft === 0) this.#expect('digest', digestBytes);
      return 0;
    }
    const sha256 = chunk.subarray(end, end + digestBytes);
    this.#proof.update(sha256);
    if (!this.#isGivenUp(sha256)) {
      this.#sink.whole(change, chunk.subarray(at, end), sha256.toString('hex'));
    }
    this.#advance();
    return end + digestBytes - at;
  }

  /** Reports the last file to the sink if its digest says that its sender gave up. */
  #isGivenUp(digest: Buffer): boolean {
    if (this.#sink.giveUp === undefined || !digest.equals(givenUpDigest)) return false;
    const change = this.#changes[this.#next - 1];
    if (change?.op === 'write') this.#sink.giveUp(change, 'changed there, or could not be read');
    return true;
  }

  #takeContent(chunk: Buffer, at: number): number {
    const { length } = chunk.subarray(at, at + this.#contentLeft);
    this.#sink.content(chunk.subarray(at, at + length));
    this.#contentLeft -= length;
    if (this.#contentLeft === 0) this.#expect('digest', digestBytes);
    return length;
  }
}
