// A directory of a buildlet without trees: the base protocol lists it with digests, gives it as an archive, takes archives and
// removes paths. What was pushed is kept in the work directory, as the extension keeps it.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { TreeScope } from '../../client/files/trees.ts';
import { GomoteError, isStatus } from '../../errors.ts';
import { rmSync } from '../../files/named-fs.ts';
import { quoted } from '../../printable.ts';
import { directoriesAbove } from '../../protocol/relative-path.ts';
import type { StoredAnswer } from '../../protocol/stored.ts';
import { isFileWrite, pathOf, type TreeChange } from '../../protocol/tree-change.ts';
import { type TreeDifference, treeDifferences } from '../../protocol/tree-difference.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import { specialFileText } from '../../protocol/unread.ts';
import { packTar } from '../../tar/pack.ts';
import { TreeReceiver } from '../../tree/tree-receiver.ts';
import { sendTree } from '../../tree/tree-sender.ts';
import type { TreeSink } from '../../tree/tree-sink.ts';
import { look } from '../../tree/tree-walk.ts';
import { chooseCompression } from '../compression.ts';
import { unknownLife } from '../local/known-states.ts';
import {
  isAbsent,
  listTree,
  readLinkTargets,
  type StagedFiles,
  stageFiles,
} from './base-reading.ts';
import { readRecords, saveRecord, writeIdentity } from './base-records.ts';
import type { RemoteState, RemoteTree, RemoteTreeOptions, TreeUpdate } from './remote-tree.ts';

/** How many paths go into one request to remove them. */
const removedAtOnce = 2000;

const baseState: RemoteState = {
  digest: undefined,
  times: undefined,
  isBusy: false,
  takesNames: false,
  hasStore: false,
  // A listing could not prove what has a tab or newline in its name.
  whyNameRefused: ({ path }) =>
    /[\\\t\n]/.test(path)
      ? 'the buildlet takes no name with a backslash, tab or newline'
      : undefined,
};

const nothingStaged: StagedFiles = { whole: new Set(), failed: new Map() };

export class BaseTree implements RemoteTree {
  readonly algorithm = 'sha1';
  readonly unread = new Map<string, string>();
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

  async state(): Promise<RemoteState> {
    return baseState;
  }

  async entries(scope: TreeScope): Promise<TreeEntry[]> {
    if (scope === 'pull') return await this.#pullable();
    const { dir, signal } = this.#options;
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

  async #pullable(): Promise<TreeEntry[]> {
    const { dir, signal } = this.#options;
    this.#identity ??= (await readRecords(this.#client, signal)).identity;
    const all = await listTree(this.#client, dir, signal, {
      onUnreadable: (name, reason) => this.unread.set(name, reason),
      onOther: (name) => this.unread.set(name, specialFileText),
    });
    // Repositories are made where they are used.
    const listed = all.filter(({ path }) => !path.split('/').includes('.git'));
    if (!listed.some(({ kind }) => kind === 'symlink')) return listed;
    const targets = await readLinkTargets(this.#archive());
    return listed.map((entry) => ({ ...entry, target: targets.get(entry.path) ?? '' }));
  }

  async differences(): Promise<TreeDifference[]> {
    const { dir, signal } = this.#options;
    const { records, identity } = await readRecords(this.#client, signal);
    this.#identity = identity;
    const sent = records.find((record) => record.dir === dir)?.entries ?? [];
    return treeDifferences(sent, await this.#pullable(), ({ digest }) => digest);
  }

  /** It knows their SHA-1. */
  async sendsContents(): Promise<boolean> {
    return false;
  }

  async read(entries: readonly TreeEntry[] | undefined, sink: TreeSink): Promise<void> {
    const wanted = entries ?? (await this.#pullable());
    const stage = await mkdtemp(join(this.#options.stageIn ?? tmpdir(), '.gomote-pull-'));
    try {
      const files = wanted.filter(({ kind }) => kind === 'file');
      const { whole, failed } =
        files.length > 0 ? await stageFiles(this.#archive(), stage, files) : nothingStaged;
      const absent = new Set<string>();
      for (const { path } of files) {
        if (whole.has(path)) continue;
        absent.add(path);
        this.unread.set(path, failed.get(path) ?? 'changed while it was read, or gone');
      }
      const come = wanted.filter(({ path }) => !absent.has(path));
      const receiver = new TreeReceiver(sink);
      const changes = come.map((entry) => ({ op: 'write', entry }) as const);
      for (const piece of sendTree(stage, changes)) receiver.push(piece);
      receiver.finish();
    } finally {
      rmSync(stage, { recursive: true, force: true });
    }
  }

  async *#archive(): AsyncGenerator<Uint8Array> {
    const { dir, signal, onWire } = this.#options;
    for await (const piece of await this.#client.getTar(dir === '.' ? '' : dir, { signal })) {
      onWire(piece.length);
      yield piece;
    }
  }

  /** Nothing is made ahead. */
  async preparedEntries(): Promise<TreeEntry[]> {
    return [];
  }

  async entriesBelow(path: string): Promise<TreeEntry[]> {
    return [...this.#all.values()].filter((entry) => entry.path.startsWith(`${path}/`));
  }

  async chunks(): Promise<undefined> {
    return undefined;
  }

  /** There is no store to ask. */
  async stored(): Promise<StoredAnswer> {
    return { head: false, isMissing: [] };
  }

  async apply(update: TreeUpdate): Promise<readonly RefusedEntry[]> {
    const { dir, signal } = this.#options;
    const { changes } = update;
    const all = update.here.map((entry) => ({ ...entry, digest: update.digestOf(entry) ?? '' }));
    // Before anything is changed: what is cut short must not be taken for the buildlet's own later.
    this.#identity ??= await writeIdentity(this.#client, signal);
    await saveRecord(this.#client, dir, [...this.#sent.values(), ...all], signal);
    await this.#remove(this.#removable(update));
    const refused = await this.#write(update);
    const notThere = new Set(refused.map(({ path }) => path));
    const here = all.filter(({ path }) => !notThere.has(path));
    await this.#prove(here);
    const removed = new Set(changes.filter(({ op }) => op === 'remove').map(pathOf));
    const kept = [...this.#sent.values()].filter(
      ({ path }) => this.#all.has(path) && !removed.has(path),
    );
    await saveRecord(this.#client, dir, [...kept, ...here], signal);
    return refused;
  }

  knowsDirectory(path: string): boolean {
    return this.#all.get(path)?.kind === 'directory';
  }

  async #write(update: TreeUpdate): Promise<readonly RefusedEntry[]> {
    const writes = update.changes.filter((change) => change.op !== 'remove');
    const links = new Set(writes.filter(isLink).map(pathOf));
    const others = writes.map(pathOf).filter((path) => !links.has(path));
    try {
      if (others.length > 0) await this.#pack(update.top, others);
      return await this.#packLinks(update.top, [...links]);
    } catch (error) {
      tellUnread(update, error);
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
      if (!isStatus(error, 400)) throw error;
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
  #removable({ changes }: TreeUpdate): string[] {
    const going = new Set(changes.filter(({ op }) => op === 'remove').map(pathOf));
    const holding = new Set<string>();
    for (const path of this.#all.keys()) {
      if (going.has(path)) continue;
      for (const above of directoriesAbove(path)) holding.add(above);
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

  /** Throws ERR_LOST unless the buildlet has everything that is here. */
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
}

const isLink = (change: TreeChange): boolean =>
  change.op === 'write' && change.entry.kind === 'symlink';

/** Returns which of the files to send have changed. */
function tellUnread({ top, changes, onUnread }: TreeUpdate, error: unknown): void {
  for (const change of changes) {
    if (!isFileWrite(change)) continue;
    const { path, size, mtimeMs } = change.entry;
    const now = look(top, path);
    const isSame = typeof now === 'object' && now.size === size && now.mtimeMs === mtimeMs;
    if (!isSame) onUnread(path, error);
  }
}
