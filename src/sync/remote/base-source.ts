// A directory of a buildlet that knows nothing of trees: it lists it with digests, and gives it as an archive.
import { createHash } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, messageOf } from '../../errors.ts';
import { mkdirSync, openSync, rmSync } from '../../files/named-fs.ts';
import type { TreeDifference } from '../../protocol/tree-difference.ts';
import { treeDifferences } from '../../protocol/tree-difference.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import { notOfTree } from '../../protocol/unread.ts';
import { isOfOneEntry, withErrorsOf } from '../../tar/archive-error.ts';
import { decompressed } from '../../tar/decompress.ts';
import { relativeElements } from '../../tar/entry-name.ts';
import { type TarEntry, TarReader, type TarSink } from '../../tar/tar-reader.ts';
import { TreeReceiver, type TreeSink } from '../../tree/tree-receiver.ts';
import { sendTree } from '../../tree/tree-sender.ts';
import { unknownLife } from '../local/known-states.ts';
import { listTree, readRecords } from './base-listing.ts';
import type { Source, SourceOptions } from './source.ts';

type BaseSourceOptions = Pick<SourceOptions, 'dir' | 'signal' | 'onWire'> & { stageIn?: string };

export class BaseSource implements Source {
  readonly algorithm = 'sha1';
  readonly #client: BuildletClient;
  readonly #options: BaseSourceOptions;

  constructor(client: BuildletClient, options: BaseSourceOptions) {
    this.#client = client;
    this.#options = options;
  }

  readonly unread = new Map<string, string>();
  #identity: string | undefined;

  get identity(): string {
    return this.#identity ?? unknownLife(this.#client);
  }

  async requireDirectory(): Promise<void> {
    const { dir, signal } = this.#options;
    await listTree(this.#client, dir, signal);
  }

  async entries(): Promise<TreeEntry[]> {
    const { dir, signal } = this.#options;
    this.#identity ??= (await readRecords(this.#client, signal)).identity;
    const all = await listTree(this.#client, dir, signal, {
      onUnreadable: (name, reason) => this.unread.set(name, reason),
      onOther: (name) => this.unread.set(name, notOfTree),
    });
    // Repositories are made where they are used.
    const listed = all.filter(({ path }) => !path.split('/').includes('.git'));
    if (!listed.some(({ kind }) => kind === 'symlink')) return listed;
    // A listing does not say where links lead.
    const links = new LinkTargets();
    await this.#read(links);
    return listed.map((entry) => ({ ...entry, target: links.targets.get(entry.path) ?? '' }));
  }

  async differences(): Promise<TreeDifference[]> {
    const { dir, signal } = this.#options;
    const { records, identity } = await readRecords(this.#client, signal);
    this.#identity = identity;
    const sent = records.find((record) => record.dir === dir)?.entries ?? [];
    return treeDifferences(sent, await this.entries(), ({ digest }) => digest);
  }

  async fetch(entries: readonly TreeEntry[] | undefined, sink: TreeSink): Promise<void> {
    const wanted = entries ?? (await this.entries());
    const stage = await mkdtemp(join(this.#options.stageIn ?? tmpdir(), '.gomote-pull-'));
    try {
      const files = wanted.filter(({ kind }) => kind === 'file');
      const staging = new Staging(stage, files);
      if (files.length > 0) await this.#read(staging);
      const receiver = new TreeReceiver(sink);
      const come = wanted.filter(({ kind, path }) => kind !== 'file' || staging.whole.has(path));
      for (const { kind, path } of wanted) {
        if (kind !== 'file' || staging.whole.has(path)) continue;
        this.unread.set(path, staging.failed.get(path) ?? 'changed while it was read, or gone');
      }
      const changes = come.map((entry) => ({ op: 'write', entry }) as const);
      for (const piece of sendTree(stage, changes)) receiver.push(piece);
      receiver.finish();
    } finally {
      rmSync(stage, { recursive: true, force: true });
    }
  }

  /** Reads the directory's archive to its end. */
  async #read(sink: ArchiveSink): Promise<void> {
    const { dir, signal, onWire } = this.#options;
    const reader = new TarReader(sink);
    const archive = await this.#client.getTar(dir === '.' ? '' : dir, { signal });
    try {
      for await (const piece of decompressed(counted(archive, onWire))) reader.push(piece);
      reader.finish();
      sink.finish();
    } finally {
      sink.close();
    }
  }
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onWire: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    onWire(piece.length);
    yield piece;
  }
}

interface ArchiveSink extends TarSink {
  /** Says that the archive was whole. */
  finish(): void;
  /** Lets go of everything, however it went. */
  close(): void;
}

/** Where the links in an archive lead. */
class LinkTargets implements ArchiveSink {
  readonly targets = new Map<string, string>();

  begin({ name, typeFlag, linkTarget }: TarEntry): void {
    const elements = typeFlag === '2' ? relativeElements(name) : undefined;
    if (elements !== undefined) this.targets.set(elements.join('/'), linkTarget);
    if (this.targets.size > treeLimits.entries) {
      throw new GomoteError('ERR_REPLY', 'the archive has too many links');
    }
  }

  content(): void {}
  end(): void {}
  finish(): void {}
  close(): void {}
}

/** Keeps the wanted files of an archive under their names in a directory, each proved by the digest it was listed with. */
class Staging implements ArchiveSink {
  /** Paths of those that came as they were listed. */
  readonly whole = new Set<string>();
  /** By path, why one could not be kept. */
  readonly failed = new Map<string, string>();
  readonly #stage: string;
  readonly #wanted: Map<string, TreeEntry>;
  #open:
    | { entry: TreeEntry; fd: number; sha1: ReturnType<typeof createHash>; size: number }
    | undefined;

  constructor(stage: string, files: readonly TreeEntry[]) {
    this.#stage = stage;
    this.#wanted = new Map(files.map((entry) => [entry.path, entry]));
  }

  begin({ name, typeFlag }: TarEntry): void {
    const path = relativeElements(name)?.join('/') ?? '';
    const entry = typeFlag === '0' ? this.#wanted.get(path) : undefined;
    if (entry === undefined) return;
    this.#wanted.delete(path);
    const file = join(this.#stage, path);
    try {
      withErrorsOf(path, () => {
        mkdirSync(dirname(file), { recursive: true });
        this.#open = { entry, fd: openSync(file, 'wx', 0o600), sha1: createHash('sha1'), size: 0 };
      });
    } catch (error) {
      // A name that is too long here, say.
      if (!isOfOneEntry(error)) throw error;
      this.failed.set(path, messageOf(error).slice(`${path}: `.length));
    }
  }

  content(piece: Buffer): void {
    const open = this.#open;
    if (open === undefined) return;
    open.size += piece.length;
    open.sha1.update(piece);
    // What is larger than it was listed would fill the disk, and is none of what is wanted.
    if (open.size > open.entry.size) return;
    withErrorsOf(open.entry.path, () => {
      for (let at = 0; at < piece.length; ) at += writeSync(open.fd, piece, at);
    });
  }

  end(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    closeSync(open.fd);
    const { path, size, digest } = open.entry;
    if (open.size === size && open.sha1.digest('hex') === digest) this.whole.add(path);
    else rmSync(join(this.#stage, path));
  }

  finish(): void {}

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
  }
}
