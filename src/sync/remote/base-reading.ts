// Reads a directory by the base protocol, where tree streams are not supported: its listing, and its archive.
import { createHash } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, messageOf, StatusError } from '../../errors.ts';
import { makeDirectories } from '../../files/make-directories.ts';
import { openSync, rmSync } from '../../files/named-fs.ts';
import { isReserved } from '../../files/reserved-names.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import { isOfOneEntry, withErrorsOf } from '../../tar/archive-error.ts';
import { decompressed } from '../../tar/decompress.ts';
import { relativeElements } from '../../tar/entry-name.ts';
import { type TarEntry, TarReader, type TarSink } from '../../tar/tar-reader.ts';

/** The targets of an archive's symbolic links, by path: a listing does not have them. */
export async function readLinkTargets(
  archive: AsyncIterable<Uint8Array>,
): Promise<Map<string, string>> {
  const targets = new Map<string, string>();
  await readArchive(archive, {
    begin({ name, typeFlag, linkTarget }) {
      const elements = typeFlag === '2' ? relativeElements(name) : undefined;
      if (elements !== undefined) targets.set(elements.join('/'), linkTarget);
      if (targets.size > treeLimits.entries) {
        throw new GomoteError('ERR_REPLY', 'the archive has too many links');
      }
    },
    content() {},
    end() {},
  });
  return targets;
}

/** The result of extracting wanted files from an archive. */
export interface StagedFiles {
  /** Paths of files that arrived as listed. */
  readonly whole: ReadonlySet<string>;
  /** By path: why a file could not be stored. */
  readonly failed: ReadonlyMap<string, string>;
}

/** Stores these files of an archive in a directory, each verified by its listed digest. */
export async function stageFiles(
  archive: AsyncIterable<Uint8Array>,
  stage: string,
  files: readonly TreeEntry[],
): Promise<StagedFiles> {
  const staging = new Staging(stage, files);
  try {
    await readArchive(archive, staging);
  } finally {
    staging.close();
  }
  return staging;
}

/** Reads an archive to its end. */
export async function readArchive(
  archive: AsyncIterable<Uint8Array>,
  sink: TarSink,
): Promise<void> {
  const reader = new TarReader(sink);
  for await (const piece of decompressed(archive)) reader.push(piece);
  reader.finish();
}

class Staging implements TarSink, StagedFiles {
  readonly whole = new Set<string>();
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
        makeDirectories(dirname(file));
        this.#open = { entry, fd: openSync(file, 'wx', 0o600), sha1: createHash('sha1'), size: 0 };
      });
    } catch (error) {
      // For example a name that is too long here.
      if (!isOfOneEntry(error)) throw error;
      this.failed.set(path, messageOf(error).slice(`${path}: `.length));
    }
  }

  content(piece: Buffer): void {
    const open = this.#open;
    if (open === undefined) return;
    open.size += piece.length;
    open.sha1.update(piece);
    // A file larger than listed could fill the disk, and is not what was requested.
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

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
  }
}

interface ListTreeOptions {
  /** Called with entries that cannot be listed, and why. */
  readonly onUnreadable?: (name: string, reason: string) => void;
  /** Called for each FIFO, device and socket. */
  readonly onOther?: (name: string) => void;
}

/**
 * Everything below the directory, files with their SHA-1. Throws a StatusError when there is no such directory.
 */
export async function listTree(
  client: BuildletClient,
  dir: string,
  signal: AbortSignal,
  { onUnreadable = () => undefined, onOther }: ListTreeOptions = {},
): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  const options = { recursive: true, digest: true, signal, onUnreadable };
  for await (const entry of client.listDir(dir === '.' ? '' : dir, options)) {
    const { type, name } = entry;
    if (name === '' || isReserved(name)) continue;
    if (type !== 'file' && type !== 'directory' && type !== 'symlink') {
      onOther?.(name);
      continue;
    }
    if (entries.length === treeLimits.entries) {
      throw new GomoteError('ERR_REPLY', `${client.name} lists too many entries`);
    }
    entries.push({
      kind: type,
      path: name,
      mode: type === 'symlink' ? 0 : entry.permissions,
      size: entry.size ?? 0,
      mtimeMs: entry.mtime?.getTime() ?? 0,
      digest: entry.digest ?? '',
      // A listing does not have it: links are always sent again.
      target: '',
    });
  }
  return entries;
}

/** Whether a call failed because this directory does not exist, and not because an entry in it was removed meanwhile. */
export const isAbsent = (error: unknown, dir: string): boolean =>
  error instanceof StatusError && error.text.includes(`/${dir}: no such file or directory`);
