// Trees pushed and pulled by their changes: the endpoints below `/sync/`, on a buildlet that has them.
import { hash } from 'node:crypto';
import { collected } from '../../files/collected.ts';
import { type HttpResponse, readText } from '../../http/client/request.ts';
import { quoted } from '../../printable.ts';
import { contentTypes, type Endpoint, endpoints } from '../../protocol/endpoints.ts';
import { type FormValues, withQuery } from '../../protocol/form.ts';
import { nameFromBytes } from '../../protocol/name-bytes.ts';
import { identityHeader, isIdentity } from '../../protocol/push-record.ts';
import {
  parseStored,
  type StoredAnswer,
  storedReplyBytes,
  storeHeader,
} from '../../protocol/stored.ts';
import { type Compression, compressHeader, parseCompression } from '../../protocol/transfer.ts';
import { decodeDifferences, type TreeDifference } from '../../protocol/tree-difference.ts';
import { decodeEntries, treeDigest } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import { parseAppliedReply, parseTreeState } from '../../protocol/tree-replies.ts';
import { parseUnread, unreadHeader } from '../../protocol/unread.ts';
import { packPieces, unpackPieces } from '../../tar/pack-pieces.ts';
import { type Chunk, decodeChunks } from '../../tree/chunks.ts';
import type { Connection } from '../connection.ts';
import { type Applied, readNamedReply } from './apply-reply.ts';
import { chunksOf } from './streams.ts';
import type { TreeManifest, TreeState } from './tree-state.ts';

/** The options of the calls of `Trees`. */
export interface TreeCallOptions {
  /** Cancels the call, which then fails with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** The compression of what is sent and received. Default `none`. */
  readonly compress?: Compression | undefined;
  /** Called with entries that the buildlet could not read, and why. */
  readonly onUnread?: ((path: string, reason: string) => void) | undefined;
  /** Called with the number of bytes on the wire. */
  readonly onWire?: ((bytes: number) => void) | undefined;
}

/** Everything in the directory, everything but `.git`, or only what was pushed into it. */
export type TreeScope = 'all' | 'pull' | 'pushed';

/**
 * Trees of one buildlet, pushed and pulled by their changes. `client.trees` makes it; `push` and `pull` of a `Buildlet` use it.
 *
 * @example
 * const trees = await client.trees();
 * const { digest } = await trees.state('src', 'pushed');
 * const { entries, generation } = await trees.manifest('src', 'all');
 * for (const { status, path } of await trees.differences('src')) console.log(status, path);
 * const chunks = await trees.chunks('src', 'large.bin');
 *
 * @example
 * const trees = await client.trees();
 * const known = await trees.stored(head, 1);
 * const stream = await trees.read('src', ['main.go']);
 * const applied = await (await other.trees()).apply('copy', generation, stream);
 */
export class Trees {
  readonly #connection: Connection;
  #identity: string | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The identity of the work directory: known after the first reply, if the buildlet reports it. */
  get identity(): string | undefined {
    return this.#identity;
  }

  async #call(request: Parameters<Connection['call']>[0]): Promise<HttpResponse> {
    const response = await this.#connection.call(request);
    const header = String(response.headers[identityHeader.toLowerCase()] ?? '');
    if (isIdentity(header)) this.#identity = header;
    return response;
  }

  /** The state of the directory in one digest. */
  async state(dir: string, scope: TreeScope, options: TreeCallOptions = {}): Promise<TreeState> {
    const response = await this.#get(endpoints.treeState, scopeOf(dir, scope), options);
    const text = (await this.#bytes(response, options, treeLimits.replyBytes)).toString();
    const { stored, ...state } = parseTreeState(text) ?? this.#fail('a state', text);
    return { ...state, hasStore: stored && storeHeader.toLowerCase() in response.headers };
  }

  /** The state of the directory with all of its entries, or, if `isPrepared`, of the tree that was made ahead. */
  async manifest(
    dir: string,
    scope: TreeScope,
    { isPrepared = false, ...options }: TreeCallOptions & { isPrepared?: boolean } = {},
  ): Promise<TreeManifest> {
    const query = { ...scopeOf(dir, scope), prepared: isPrepared ? '1' : undefined };
    const response = await this.#get(endpoints.treeManifest, query, options);
    tellUnread(response, options);
    const text = nameFromBytes(await this.#bytes(response, options, treeLimits.listBytes));
    const end = text.indexOf('\0');
    const [digest = '', generation = ''] = text.slice(0, Math.max(end, 0)).split(' ');
    const entries = decodeEntries(text.slice(end + 1));
    if (entries === undefined || treeDigest(entries) !== digest) {
      return this.#fail('a manifest', text);
    }
    return { digest, generation, entries };
  }

  /** How the buildlet's commands have changed what was pushed into the directory; undefined: into any. */
  async differences(
    dir: string | undefined,
    options: TreeCallOptions = {},
  ): Promise<TreeDifference[]> {
    const response = await this.#get(endpoints.treeDifferences, { dir }, options);
    tellUnread(response, options);
    const text = nameFromBytes(await this.#bytes(response, options, treeLimits.listBytes));
    return decodeDifferences(text) ?? this.#fail('differences', text);
  }

  /** A file's content as chunks. */
  async chunks(dir: string, path: string, options: TreeCallOptions = {}): Promise<Chunk[]> {
    const response = await this.#get(endpoints.treeChunks, { dir, path }, options);
    return decodeChunks(await this.#bytes(response, options, treeLimits.listBytes));
  }

  /**
   * Which contents a store has of a head with so many files of known digests. The head itself is sent only when the store
   * does not know it from before.
   */
  async stored(head: Buffer, files: number, options: TreeCallOptions = {}): Promise<StoredAnswer> {
    const none = { ...options, compress: 'none' } as const;
    const named = await this.#askStore(head, files, [], none);
    return named.head ? named : await this.#askStore(head, files, slices(head), options);
  }

  async #askStore(
    head: Buffer,
    files: number,
    sent: Iterable<Uint8Array>,
    options: TreeCallOptions,
  ): Promise<StoredAnswer> {
    const { compress = 'none' } = options;
    const signal = this.#connection.signalWith(options.signal);
    const query = { head: hash('sha256', head, 'hex'), size: String(head.length) };
    const response = await this.#call({
      method: 'POST',
      path: withQuery(endpoints.treeStored.path, query),
      headers: { 'Content-Type': contentTypes.tree, [compressHeader]: compress },
      body: counted(packPieces(sent, compress, signal), options),
      signal,
    });
    const text = await readText(response, signal, storedReplyBytes);
    return parseStored(text, files) ?? this.#fail('an answer about a store', text);
  }

  /** Whether each end can open the other's files, so that streams may name their contents. */
  get sharesFiles(): boolean {
    return this.sharedDirectory !== undefined;
  }

  /** The local directory below which the buildlet may name files. */
  get sharedDirectory(): string | undefined {
    return this.#connection.options.sharedDirectory;
  }

  /**
   * Sends a tree stream and returns the result. For a stream that names its contents, `onDigest` is called with the
   * SHA-256 of each file as it is copied, in the order of the stream; the reply begins while it is sent. A non-empty directory
   * is replaced by a file or link only if the stream `replacesDirectories`. It begins with the tree that was made ahead, if that has the
   * digest `prepared`. A stream of a whole tree that says so can be made ahead for the next buildlet, by who has a store.
   */
  async apply(
    dir: string,
    generation: string,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: TreeCallOptions & {
      onDigest?: ((sha256: string) => void) | undefined;
      replacesDirectories?: boolean | undefined;
      prepared?: string | undefined;
      isWhole?: boolean | undefined;
    } = {},
  ): Promise<Applied> {
    const { compress = 'none', onDigest, prepared } = options;
    const replace = options.replacesDirectories ? '1' : undefined;
    const whole = options.isWhole ? '1' : undefined;
    const signal = this.#connection.signalWith(options.signal);
    const { path } = endpoints.treeApply;
    const response = await this.#call({
      method: 'PUT',
      path: withQuery(path, { dir, generation, giveup: '1', replace, prepared, whole }),
      headers: { 'Content-Type': contentTypes.tree, [compressHeader]: compress },
      body: counted(packPieces(pieces, compress, signal), options),
      signal,
    });
    if (onDigest !== undefined) {
      const { label } = this.#connection.options;
      // Copying a large file may take longer than any time limit.
      const lines = counted(chunksOf(response, signal, { idleMs: undefined }), options);
      return (await readNamedReply(lines, label, onDigest)) ?? this.#fail(applyAnswer, '');
    }
    const text = await readText(response, signal);
    return parseAppliedReply(text) ?? this.#fail(applyAnswer, text);
  }

  /**
   * A tree stream of the paths, or of everything in the directory; each chunk is valid until the next is requested. If
   * `isNamed`, the stream names its contents, if the buildlet supports that.
   */
  async read(
    dir: string,
    paths: readonly string[] | undefined,
    options: TreeCallOptions & { isNamed?: boolean } = {},
  ): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#call({
      method: 'POST',
      path: withQuery(endpoints.treeRead.path, {
        dir,
        named: options.isNamed ? '1' : undefined,
        giveup: '1',
      }),
      headers: wish(options),
      form: paths === undefined ? { all: 'true' } : { path: paths },
      signal: this.#connection.signalWith(options.signal),
    });
    return this.#decompressed(response, options);
  }

  async #get(
    { path }: Endpoint,
    query: FormValues,
    options: TreeCallOptions,
  ): Promise<HttpResponse> {
    const signal = this.#connection.signalWith(options.signal);
    return await this.#call({
      method: 'GET',
      path: withQuery(path, query),
      headers: wish(options),
      signal,
    });
  }

  #decompressed(response: HttpResponse, options: TreeCallOptions): AsyncIterable<Uint8Array> {
    const header = String(response.headers[compressHeader.toLowerCase()] ?? '');
    const compression = parseCompression(header) ?? 'none';
    const signal = this.#connection.signalWith(options.signal);
    return unpackPieces(counted(chunksOf(response, signal), options), compression);
  }

  /** The decompressed reply. Throws ERR_REPLY when it exceeds `limit` bytes after decompression. */
  async #bytes(response: HttpResponse, options: TreeCallOptions, limit: number): Promise<Buffer> {
    const tooLong = () => this.#connection.badReply(`a reply of more than ${limit} bytes`);
    return await collected(this.#decompressed(response, options), limit, tooLong);
  }

  #fail(what: string, text: string): never {
    return this.#connection.badReply(`not ${what}: ${quoted(text.slice(0, 80))}`);
  }
}

const sliceBytes = 1 << 20;

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes);
}

function tellUnread({ headers }: HttpResponse, { onUnread }: TreeCallOptions): void {
  const header = headers[unreadHeader.toLowerCase()];
  if (typeof header !== 'string') return;
  for (const [path, reason] of parseUnread(header)) onUnread?.(path, reason);
}

const applyAnswer = 'an answer to a push';

const scopeOf = (dir: string, scope: TreeScope): FormValues => ({
  dir,
  all: String(scope !== 'pushed'),
  pull: scope === 'pull' ? '1' : undefined,
});

const wish = ({ compress }: TreeCallOptions): Record<string, string> =>
  compress === undefined ? {} : { [compressHeader]: compress };

async function* counted(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { onWire }: TreeCallOptions,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    onWire?.(piece.length);
    yield piece;
  }
}
