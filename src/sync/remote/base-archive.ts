// Reads a directory as an archive, where tree streams are not supported.
import { createHash } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GomoteError, messageOf } from '../../errors.ts';
import { mkdirSync, openSync, rmSync } from '../../files/named-fs.ts';
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
        mkdirSync(dirname(file), { recursive: true });
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
