// The coordinator's store of contents, as the requests that pass use it: pushes fill it, and are filled up from it.
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { fileIdentity } from '../../files/file-identity.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { flowing } from '../../http/relay/flowing.ts';
import type { Relay } from '../../http/relay/proxy.ts';
import type { RelayChange } from '../../http/relay/relay-change.ts';
import { sendText } from '../../http/server/reply.ts';
import type { Exchange } from '../../http/server/server.ts';
import { contentTypes, endpoints } from '../../protocol/endpoints.ts';
import { parseBool } from '../../protocol/form.ts';
import { hasZstd } from '../../protocol/has-zstd.ts';
import { formatStoreAt, storeAtHeader, storeHeader } from '../../protocol/stored.ts';
import { type Compression, compressHeader, parseCompression } from '../../protocol/transfer.ts';
import { minStoreBytes } from '../../store/store-size.ts';
import { packPieces, unpackPieces } from '../../tar/pack-pieces.ts';
import { askedHead, headPieces } from '../../tree/stored-request.ts';
import { StoppableSource } from '../../worker/stoppable-source.ts';
import { Thread } from '../../worker/thread.ts';
import type { StoreFacts, StoreJob } from './jobs.ts';

interface CoordinatorStoreOptions {
  /** How much it may take on disk; 0: there is none. */
  readonly limitBytes: number;
  /** Whether all users share what is in it. */
  readonly isShared: boolean;
  readonly stateDirectory: string;
  /** What tells a user from another one who has the name later. */
  readonly lifeOf: (user: string) => string;
}

/** A machine, until it has another user. */
interface Machine {
  readonly relay: Relay;
  readonly signal: AbortSignal;
}

export class CoordinatorStore {
  readonly #thread: Thread<StoreJob>;
  readonly #options: CoordinatorStoreOptions;
  readonly #root: string;

  /** Undefined when there is to be none. */
  static of(options: CoordinatorStoreOptions): CoordinatorStore | undefined {
    return options.limitBytes < minStoreBytes ? undefined : new CoordinatorStore(options);
  }

  private constructor(options: CoordinatorStoreOptions) {
    this.#options = options;
    const { stateDirectory, limitBytes } = options;
    this.#root = join(stateDirectory, 'store');
    makePrivateDirectory(this.#root, 'the content store');
    this.#thread = new Thread('store-worker', { root: this.#root, limitBytes });
  }

  /** Contents are one user's own: nobody gets another's by its digest. */
  #roomOf(user: string): string {
    const { isShared, lifeOf } = this.#options;
    return isShared ? 'shared' : hash('sha256', lifeOf(user), 'hex').slice(0, 32);
  }

  /** Says in the reply about a tree whether there is anything to ask for. */
  async announced(user: string): Promise<RelayChange | undefined> {
    const job: StoreJob = { kind: 'count', room: this.#roomOf(user) };
    const count = await this.#thread.run<number>(job).catch(() => 0);
    return count === 0 ? undefined : { replyHeaders: [storeHeader, '1'] };
  }

  /** Answers which contents of a head are there. */
  async answer(user: string, query: URLSearchParams, exchange: Exchange): Promise<void> {
    const { request, response, signal } = exchange;
    const job: StoreJob = { kind: 'ask', room: this.#roomOf(user), ...askedHead(query) };
    const source = new StoppableSource(headPieces(flowing(request), packingOf(exchange)));
    sendText(response, await this.#thread.run<string>(job, { source, signal }), contentTypes.json);
  }

  /**
   * Asks a machine that reads the store to make the tree ahead that the user pushed last. Not of a store that several users
   * share: there, who knows no digest gets nothing.
   */
  async prepare(user: string, { relay, signal }: Machine): Promise<void> {
    if (!relay.isHere || this.#options.isShared) return;
    const at = await this.#reached(this.#roomOf(user), relay, signal);
    if (at === undefined) return;
    const { path } = endpoints.treePrepare;
    const reply = await relay.ask('POST', path, signal, { [storeAtHeader]: at });
    reply.resume();
  }

  /** Stores contents that pass, and adds stored contents to the stream, unless the machine can read the store itself. */
  async filled(
    user: string,
    query: URLSearchParams,
    exchange: Exchange,
    relay: Relay,
  ): Promise<RelayChange> {
    const packing = packingOf(exchange);
    const onward: Compression = relay.isHere || !canPack(packing) ? 'none' : packing;
    const room = this.#roomOf(user);
    const at = relay.isHere ? await this.#reached(room, relay, exchange.signal) : undefined;
    const whole = parseBool(query.get('whole'))
      ? { begunWith: query.get('prepared') ?? undefined }
      : undefined;
    const job: StoreJob = { kind: 'refill', room, reads: at !== undefined, whole };
    return {
      headers: { [compressHeader]: onward, ...(at !== undefined && { [storeAtHeader]: at }) },
      body: (body) => {
        const source = new StoppableSource(unpackPieces(body, packing));
        return packed(this.#thread.read(job, source), onward, exchange.signal);
      },
    };
  }

  /** Where the room is, for a machine of this host that can read it. */
  async #reached(room: string, relay: Relay, signal: AbortSignal): Promise<string | undefined> {
    try {
      const path = join(this.#root, room);
      const at = formatStoreAt({ path, identity: fileIdentity(path) });
      const asked = `${endpoints.treeReach.path}?${new URLSearchParams({ at })}`;
      const { status, text } = await relay.get(asked, signal);
      return status === 200 && text === '1' ? at : undefined;
    } catch {
      // There is nothing in it yet, or the machine does not answer, which it will be asked again.
      return undefined;
    }
  }

  async facts(): Promise<StoreFacts> {
    return await this.#thread.run<StoreFacts>({ kind: 'facts' }).catch(() => nothing);
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}

const nothing: StoreFacts = { storedBytes: 0, hits: 0, hitBytes: 0, misses: 0 };

const packingOf = ({ request }: Exchange): Compression =>
  parseCompression(String(request.headers[compressHeader.toLowerCase()] ?? '')) ?? 'none';

const canPack = (packing: Compression): boolean => packing !== 'zstd' || hasZstd;

async function* packed(
  pieces: AsyncIterable<Buffer>,
  packing: Compression,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  yield* packPieces(pieces, packing, signal);
}
