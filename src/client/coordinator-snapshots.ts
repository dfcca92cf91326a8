// The snapshots that a coordinator keeps for its users.
import { GomoteError } from '../errors.ts';
import { listReplyBytes } from '../http/client/request.ts';
import { coordinatorPaths } from '../protocol/endpoints.ts';
import { type FormValues, withQuery } from '../protocol/form.ts';
import {
  parseSnapshot,
  parseSnapshotLine,
  parseSnapshots,
  type Snapshot,
  snapshotImagesFeature,
  snapshotsFeature,
} from '../protocol/snapshot.ts';
import type { CallOptions } from './client-options.ts';
import type { Connection } from './connection.ts';
import { readResult } from './result-lines.ts';
import { headersLimitMs } from './time-limit.ts';

/** What `create` takes. */
export interface RemoteSnapshotOptions extends CallOptions {
  /** `image`: also the whole file system of the machine, where `keepsImages`. Default: `files`. */
  readonly kind?: Snapshot['kind'] | undefined;
  /** What is left out with all below it: paths relative to the work directory. */
  readonly exclude?: readonly string[] | undefined;
  /** The most that it may hold, in bytes. Default: what the coordinator allows. */
  readonly maxBytes?: number | undefined;
  /** Whether all users of the coordinator may use it. Default false. */
  readonly isShared?: boolean | undefined;
  /** Whether it may be removed before all others to make room. Default false. */
  readonly isAutomatic?: boolean | undefined;
}

/** Undefined unless the coordinator announces that it keeps them. */
export const openSnapshots = (
  connection: Connection,
  features: readonly string[] = [],
): CoordinatorSnapshots | undefined =>
  features.includes(snapshotsFeature)
    ? new CoordinatorSnapshots(connection, features.includes(snapshotImagesFeature))
    : undefined;

/**
 * Returned by `CoordinatorClient.snapshots`. A snapshot that another user shares is called `TAG@OWNER`.
 *
 * @example
 * const snapshots = await coordinator.snapshots();
 * await snapshots?.create('user-me-linux-amd64-0', 'ready', { exclude: ['tmp'] });
 * await snapshots?.share('ready', true);
 * await snapshots?.restore('user-me-linux-amd64-1', 'ready');
 * for (const { tag } of (await snapshots?.list()) ?? []) await snapshots?.remove(tag);
 */
export class CoordinatorSnapshots {
  /** Whether the coordinator knows the kind `image`: which of its pools can do that is known when one is made. */
  readonly keepsImages: boolean;
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection, keepsImages: boolean) {
    this.#connection = connection;
    this.keepsImages = keepsImages;
  }

  /** The user's own and those that others share; those of all users, for an admin who asks. */
  async list({
    everybody = false,
    ...options
  }: CallOptions & { readonly everybody?: boolean | undefined } = {}): Promise<Snapshot[]> {
    const path = withQuery(coordinatorPaths.snapshotList, { all: everybody ? '1' : undefined });
    const body = await this.#connection.callText(
      { method: 'GET', path, ...options },
      listReplyBytes,
    );
    return parseSnapshots(body) ?? this.#badReply(coordinatorPaths.snapshotList);
  }

  /** Saves the current content of the buildlet's work directory. */
  async create(
    buildlet: string,
    tag: string,
    {
      kind = 'files',
      exclude = [],
      maxBytes,
      isShared = false,
      isAutomatic = false,
      ...options
    }: RemoteSnapshotOptions = {},
  ): Promise<Snapshot> {
    const max = maxBytes === undefined ? undefined : String(maxBytes);
    const shared = isShared ? '1' : undefined;
    const automatic = isAutomatic ? '1' : undefined;
    const form = { name: buildlet, tag, kind, exclude, max, shared, automatic };
    return await this.#follow(coordinatorPaths.snapshotCreate, form, options);
  }

  /** Puts it into the work directory of a buildlet that is new. */
  async restore(buildlet: string, tag: string, options: CallOptions = {}): Promise<void> {
    await this.#follow(coordinatorPaths.snapshotRestore, { name: buildlet, tag }, options);
  }

  /** Lets all users begin buildlets with it, or no longer. */
  async share(tag: string, isShared: boolean, options: CallOptions = {}): Promise<Snapshot> {
    const path = coordinatorPaths.snapshotShare;
    const form = { tag, shared: isShared ? '1' : '0' };
    return parseSnapshot(await this.#post(path, form, options)) ?? this.#badReply(path);
  }

  /** Removes it. Throws ERR_UNKNOWN_SNAPSHOT when it does not exist. */
  async remove(tag: string, options: CallOptions = {}): Promise<void> {
    await this.#post(coordinatorPaths.snapshotRemove, { tag }, options);
  }

  /** Posts, and reads lines up to the one with the snapshot. */
  async #follow(path: string, form: FormValues, options: CallOptions): Promise<Snapshot> {
    const connection = this.#connection;
    const signal = connection.signalWith(options.signal);
    const response = await connection.call({ method: 'POST', path, form, signal });
    const reply = { response, signal };
    const result = await readResult(connection, path, reply, parseSnapshotLine);
    if (result !== undefined) return result.snapshot;
    throw new GomoteError('ERR_LOST', 'the coordinator ended its reply before it was done', {
      hint: 'see gomote snapshot list, then try again',
    });
  }

  async #post(path: string, form: FormValues, options: CallOptions): Promise<string> {
    const request = { method: 'POST', path, form, headersTimeoutMs: headersLimitMs } as const;
    return await this.#connection.callText({ ...request, ...options }, listReplyBytes);
  }

  #badReply(path: string): never {
    return this.#connection.badReply(`bad reply of ${path}`);
  }
}
