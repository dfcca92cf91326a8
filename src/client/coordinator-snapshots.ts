// The snapshots that a coordinator keeps for its users.
import { GomoteError, StatusError } from '../errors.ts';
import { listReplyBytes } from '../http/client/request.ts';
import { contentTypes, coordinatorPaths } from '../protocol/endpoints.ts';
import { encodeForm, type FormValues, withQuery } from '../protocol/form.ts';
import {
  parseSnapshot,
  parseSnapshotLine,
  parseSnapshots,
  type Snapshot,
  snapshotsFeature,
} from '../protocol/snapshot.ts';
import type { CallOptions } from './client-options.ts';
import type { Connection } from './connection.ts';
import { linesOf } from './files/streams.ts';
import { headersLimitMs } from './time-limit.ts';

/** What `create` takes. */
export interface RemoteSnapshotOptions extends CallOptions {
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
  features.includes(snapshotsFeature) ? new CoordinatorSnapshots(connection) : undefined;

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
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The user's own and those that others share; those of all users, for an admin who asks. */
  async list({
    everybody = false,
    ...options
  }: CallOptions & { readonly everybody?: boolean | undefined } = {}): Promise<Snapshot[]> {
    const path = withQuery(coordinatorPaths.snapshotList, { all: everybody ? '1' : undefined });
    const body = await this.#text('GET', path, undefined, options);
    return parseSnapshots(body) ?? this.#badReply(coordinatorPaths.snapshotList);
  }

  /** Saves the current content of the buildlet's work directory. */
  async create(
    buildlet: string,
    tag: string,
    {
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
    const form = { name: buildlet, tag, exclude, max, shared, automatic };
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
    return parseSnapshot(await this.#text('POST', path, form, options)) ?? this.#badReply(path);
  }

  /** Removes it. Throws ERR_UNKNOWN_SNAPSHOT when it does not exist. */
  async remove(tag: string, options: CallOptions = {}): Promise<void> {
    await this.#text('POST', coordinatorPaths.snapshotRemove, { tag }, options);
  }

  /** Posts, and reads lines up to the one with the snapshot. */
  async #follow(path: string, form: FormValues, options: CallOptions): Promise<Snapshot> {
    const signal = this.#connection.signalWith(options.signal);
    const response = await this.#connection.call({ ...posted(path, form), signal });
    for await (const text of linesOf(response, signal)) {
      const line = parseSnapshotLine(text);
      if (line === undefined) return this.#badReply(path);
      if ('snapshot' in line) return line.snapshot;
      if ('progress' in line) continue;
      const message = `${this.#connection.options.label}: ${line.error}`;
      throw new StatusError(line.status, line.error, message, { code: line.code });
    }
    throw new GomoteError('ERR_LOST', 'the coordinator ended its reply before it was done', {
      hint: 'see gomote snapshot list, then try again',
    });
  }

  async #text(
    method: 'GET' | 'POST',
    path: string,
    form: FormValues | undefined,
    options: CallOptions,
  ): Promise<string> {
    const signal = this.#connection.signalWith(options.signal);
    const request = form === undefined ? { method, path } : posted(path, form);
    const limited = { ...request, signal, headersTimeoutMs: headersLimitMs };
    return await this.#connection.callText(limited, listReplyBytes);
  }

  #badReply(path: string): never {
    throw new GomoteError('ERR_REPLY', `${this.#connection.options.label}: bad reply of ${path}`);
  }
}

const posted = (path: string, form: FormValues) => ({
  ...({ method: 'POST', path, body: encodeForm(form) } as const),
  headers: { 'Content-Type': contentTypes.form },
});
