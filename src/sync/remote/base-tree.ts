// A tree on a buildlet that knows nothing of trees: the base protocol lists it with digests, takes archives and removes
// paths. What was pushed is kept in the work dir, as the extension keeps it.

import { randomBytes } from 'node:crypto';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, StatusError } from '../../errors.ts';
import { quoted } from '../../printable.ts';
import { bytesOfName } from '../../protocol/name-bytes.ts';
import {
  encodeRecord,
  identityName,
  recordName,
  recordsDirectory,
} from '../../protocol/push-record.ts';
import { pathOf, type TreeChange } from '../../protocol/tree-change.ts';
import { comparePaths, type TreeEntry } from '../../protocol/tree-entry.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import { packTar } from '../../tar/pack.ts';
import { look } from '../../tree/tree-walk.ts';
import { chooseCompression } from '../compression.ts';
import { unknownLife } from '../local/known-states.ts';
import { isAbsent, listTree, readRecords } from './base-listing.ts';
import type { RemoteTree, RemoteTreeOptions, Sending } from './remote-tree.ts';

/** How many paths go into one request to remove them. */
const removedAtOnce = 2000;

export class BaseTree implements RemoteTree {
  readonly algorithm = 'sha1';
  readonly digest = undefined;
  readonly times = undefined;
  readonly isBusy = false;
  readonly takesNames = false;
  readonly unread = new Map<string, string>();
  /** A listing could not prove what has a tab or newline in its name. */
  readonly whyNameRefused = ({ path }: TreeEntry): string | undefined =>
    /[\\\t\n]/.test(path)
      ? 'the buildlet takes no name with a backslash, tab or newline'
      : undefined;
  readonly #client: BuildletClient;
  readonly #options: RemoteTreeOptions;
  /** Everything in the directory, by path. */
  #all = new Map<string, TreeEntry>();
  /** What was sent, by path. */
  #sent = new Map<string, TreeEntry>();

  #identity: string | undefined;

  constructor(client: BuildletClient, options: RemoteTreeOptions) {
    this.#client = client;
    this.#options = options;
  }

  get identity(): string {
    return this.#identity ?? unknownLife(this.#client);
  }

  async entries(): Promise<TreeEntry[]> {
    const { dir, scope, signal } = this.#options;
    const entries = await this.#listed();
    const { records, identity } = await readRecords(this.#client, signal);
    this.#identity = identity;
    const record = records.find((candidate) => candidate.dir === dir);
    this.#all = new Map(entries.map((entry) => [entry.path, entry]));
    this.#sent = new Map(record?.entries.map((entry) => [entry.path, entry]));
    return scope === 'all' ? entries : entries.filter(({ path }) => this.#sent.has(path));
  }

  async #listed(): Promise<TreeEntry[]> {
    const { dir, signal } = this.#options;
    const onUnreadable = (name: string, reason: string) => this.unread.set(name, reason);
    return await listTree(this.#client, dir, signal, { onUnreadable }).catch((error: unknown) => {
      if (isAbsent(error, dir)) return [];
      throw error;
    });
  }

  async entriesBelow(path: string): Promise<TreeEntry[]> {
    return [...this.#all.values()].filter((entry) => entry.path.startsWith(`${path}/`));
  }

  async chunks(): Promise<undefined> {
    return undefined;
  }

  async send(sending: Sending): Promise<readonly RefusedEntry[]> {
    const { changes } = sending;
    const all = sending.here.map((entry) => ({ ...entry, digest: sending.digestOf(entry) ?? '' }));
    // Before anything is changed: what is cut short must not be taken for the buildlet's own later.
    await this.#saveRecord([...this.#sent.values(), ...all]);
    await this.#remove(this.#removable(sending));
    const refused = await this.#write(sending);
    const notThere = new Set(refused.map(({ path }) => path));
    const here = all.filter(({ path }) => !notThere.has(path));
    await this.#prove(here);
    const removed = new Set(changes.filter(({ op }) => op === 'remove').map(pathOf));
    const kept = [...this.#sent.values()].filter(
      ({ path }) => this.#all.has(path) && !removed.has(path),
    );
    await this.#saveRecord([...kept, ...here]);
    return refused;
  }

  knowsDirectory(path: string): boolean {
    return this.#all.get(path)?.kind === 'directory';
  }

  async #write(sending: Sending): Promise<readonly RefusedEntry[]> {
    const writes = sending.changes.filter((change) => change.op !== 'remove');
    const links = new Set(writes.filter(isLink).map(pathOf));
    const others = writes.map(pathOf).filter((path) => !links.has(path));
    try {
      if (others.length > 0) await this.#pack(sending.top, others);
      return await this.#packLinks(sending.top, [...links]);
    } catch (error) {
      tellUnread(sending, error);
      throw error;
    }
  }

  /** Sends links, and gives those that the buildlet refuses: all, or those that lead out together with others. */
  async #packLinks(top: string, links: readonly string[]): Promise<readonly RefusedEntry[]> {
    if (links.length === 0) return [];
    try {
      await this.#pack(top, links);
      return [];
    } catch (error) {
      if (!(error instanceof StatusError && error.status === 400)) throw error;
      const why = error.text.trim();
      // A buildlet of Go takes none.
      if (links.length === 1 || why.includes('unsupported file type')) {
        return links.map((path) => ({ path, code: 'ERR_ARCHIVE', why }));
      }
      const middle = links.length >> 1;
      const first = await this.#packLinks(top, links.slice(0, middle));
      return [...first, ...(await this.#packLinks(top, links.slice(middle)))];
    }
  }

  async #pack(top: string, paths: readonly string[]): Promise<void> {
    const { dir, signal, compress, onWire } = this.#options;
    const wished = chooseCompression(this.#client, compress, {});
    const archive = packTar(top, '.', { paths, compress: wished, signal });
    const to = dir === '.' ? '' : dir;
    const { wireBytes } = await this.#client.putTar(archive, to, { compress: wished, signal });
    onWire(wireBytes);
  }

  /** What goes, and what is in the way of something of another kind. A directory only when nothing is left in it. */
  #removable({ changes }: Sending): string[] {
    const going = new Set<string>();
    for (const change of changes) {
      if (change.op === 'remove') going.add(change.path);
    }
    const holding = new Set<string>();
    for (const path of this.#all.keys()) {
      if (going.has(path)) continue;
      for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
        holding.add(path.slice(0, at));
      }
    }
    const removable = [...going].filter((path) => this.#all.has(path) && !holding.has(path));
    for (const change of changes) {
      if (change.op !== 'write') continue;
      const there = this.#all.get(change.entry.path);
      if (there !== undefined && there.kind !== change.entry.kind) removable.push(there.path);
    }
    return removable;
  }

  async #remove(paths: readonly string[]): Promise<void> {
    const { dir, signal } = this.#options;
    const prefix = dir === '.' ? '' : `${dir}/`;
    for (let at = 0; at < paths.length; at += removedAtOnce) {
      const some = paths.slice(at, at + removedAtOnce).map((path) => prefix + path);
      await this.#client.removeAll(some, { signal });
    }
  }

  /** Throws ERR_LOST unless all that is here is there. */
  async #prove(here: readonly TreeEntry[]): Promise<void> {
    const listed = await this.#listed();
    const there = new Map(listed.map((entry) => [entry.path, entry]));
    const wrong = here.find((entry) => {
      const found = there.get(entry.path);
      return (
        found?.kind !== entry.kind || found.mode !== entry.mode || found.digest !== entry.digest
      );
    });
    if (wrong === undefined) return;
    throw new GomoteError(
      'ERR_LOST',
      `${this.#client.name}: ${quoted(wrong.path)} did not arrive as it is here`,
      { hint: 'push again, when nothing changes it' },
    );
  }

  async #giveIdentity(): Promise<void> {
    if (this.#identity !== undefined) return;
    const identity = randomBytes(16).toString('hex');
    const { signal } = this.#options;
    await this.#client.put(identity, `${recordsDirectory}/${identityName}`, 0o600, { signal });
    this.#identity = identity;
  }

  async #saveRecord(entries: readonly TreeEntry[]): Promise<void> {
    const { dir, signal } = this.#options;
    await this.#giveIdentity();
    const unique = new Map(entries.map((entry) => [entry.path, entry]));
    const sorted = [...unique.values()].sort((a, b) => comparePaths(a.path, b.path));
    const text = bytesOfName(encodeRecord({ dir, entries: sorted }));
    await this.#client.put(text, `${recordsDirectory}/${recordName(dir)}`, 0o600, { signal });
  }
}

const isLink = (change: TreeChange): boolean =>
  change.op === 'write' && change.entry.kind === 'symlink';

/** Tells which of the files that were to be sent are no longer what they were. */
function tellUnread({ top, changes, onUnread }: Sending, error: unknown): void {
  for (const change of changes) {
    if (change.op !== 'write' || change.entry.kind !== 'file') continue;
    const { path, size, mtimeMs } = change.entry;
    const now = look(top, path);
    const isSame = typeof now === 'object' && now.size === size && now.mtimeMs === mtimeMs;
    if (!isSame) onUnread(path, error);
  }
}
