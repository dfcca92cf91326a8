// Puts the entries of one tar archive into a directory, and nothing outside it.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { formatFileMode } from '../protocol/file-mode.ts';
import { abortError, archiveErrors, localFileError } from './archive-error.ts';
import { realRoot, resolveInsideSync, traceSync } from './confine.ts';
import { entryElements, relativeElements, targetStaysInside } from './entry-name.ts';
import { ExtractDirectories } from './extract-directories.ts';
import {
  type DeferredEntry,
  leadsOut,
  makeFifo,
  makeSymlink,
  recheckSymlinks,
} from './extract-links.ts';
import type { TarEntry, TarSink } from './tar-reader.ts';

interface OpenFile {
  entry: TarEntry;
  fd: number;
  path: string;
}

/** The type bits of the devices that a tar archive can hold. */
const deviceTypes: Record<string, number> = { '3': 0o020000, '4': 0o060000 };

const createFlags =
  constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;

/** A sink of one TarReader. `discard` must be called at the end, however it went. */
export class Extraction implements TarSink {
  readonly #root: string;
  readonly #base: string;
  readonly #directories: ExtractDirectories;
  readonly #prefix = `.gomote-${randomBytes(8).toString('hex')}`;
  /** By name in the archive, in the archive's order. */
  readonly #deferred = new Map<string, DeferredEntry>();
  #open: OpenFile | undefined;
  /** What has not got its final name yet. */
  #partial: string | undefined;
  #files = 0;
  #bytes = 0;

  /** Makes `dir`, a path of the protocol below `root`, when it is absent. */
  constructor(root: string, dir: string) {
    this.#root = realRoot(root);
    this.#base = resolveInsideSync(root, dir, { follow: true });
    try {
      mkdirSync(this.#base, { recursive: true, mode: 0o755 });
    } catch (error) {
      const path = resolve(root, dir);
      if (errnoOf(error) !== 'EEXIST') throw localFileError(`mkdir ${path}`, error);
      throw new GomoteError('ERR_LOCAL_FILE', `mkdir ${path}: not a directory`, { cause: error });
    }
    this.#directories = new ExtractDirectories(this.#base);
  }

  /** Regular files written so far, and the bytes in them. */
  get totals(): { files: number; bytes: number } {
    return { files: this.#files, bytes: this.#bytes };
  }

  begin(entry: TarEntry): void {
    const elements = entryElements(entry.name);
    if (elements.length === 0 && entry.typeFlag !== '5') {
      throw archiveErrors.invalidName(entry.name);
    }
    this.#deferred.delete(elements.join('/'));
    guarded(entry.name, () => this.#beginType(entry, elements));
  }

  #beginType(entry: TarEntry, elements: readonly string[]): void {
    const { typeFlag } = entry;
    if (typeFlag === '0') this.#openFile(entry, elements);
    else if (typeFlag === '1') this.#hardLink(entry, elements);
    else if (typeFlag === '5') this.#directories.make(entry, elements);
    else if (typeFlag === '2' || typeFlag === '6') this.#defer(entry, elements);
    else throw archiveErrors.unsupportedType(entry.name, typeText(entry));
  }

  content(piece: Buffer): void {
    const open = this.#open;
    if (open === undefined) return;
    guarded(open.entry.name, () => {
      for (let done = 0; done < piece.length; ) {
        done += writeSync(open.fd, piece, done, piece.length - done);
      }
    });
  }

  end(): void {
    const open = this.#open;
    if (open === undefined) return;
    const { entry, fd, path } = open;
    guarded(entry.name, () => {
      // The umask does not apply, and writing would have cleared setuid: hence here.
      fchmodSync(fd, entry.mode ?? 0o644);
      if (entry.mtime !== undefined) futimesSync(fd, entry.mtime, entry.mtime);
      this.#open = undefined;
      closeSync(fd);
      this.#rename(path);
    });
    this.#files++;
    this.#bytes += entry.sizeBytes;
  }

  /** Makes what is made last. Throws ERR_ABORTED between two entries when `signal` says so. */
  async finish(signal: AbortSignal | undefined): Promise<void> {
    const links: DeferredEntry[] = [];
    for (const deferred of this.#deferred.values()) {
      if (signal?.aborted) throw abortError('unpacking', signal);
      const partial = this.#newPartial(deferred.parent);
      try {
        if (deferred.entry.typeFlag === '6') await makeFifo(deferred, partial);
        else {
          makeSymlink(this.#root, deferred, partial);
          links.push(deferred);
        }
      } catch (error) {
        throw explained(deferred.entry.name, error);
      }
      this.#partial = undefined;
    }
    guarded('.', () => recheckSymlinks(this.#root, links));
    this.#directories.finish();
  }

  /** Closes and removes what was left half-made. Never throws: there is an error already, or nothing to do. */
  discard(): void {
    try {
      if (this.#open !== undefined) closeSync(this.#open.fd);
      if (this.#partial !== undefined) rmSync(this.#partial, { force: true });
    } catch {
      // The directory was made unwritable meanwhile: what has not got its final name stays under its temporary one.
    }
    this.#open = undefined;
    this.#partial = undefined;
  }

  #openFile(entry: TarEntry, elements: readonly string[]): void {
    const { parent, path } = this.#place(entry, elements);
    const partial = this.#newPartial(parent);
    // The name is new and no link is followed: nothing that was there before is written to.
    this.#open = { entry, path, fd: openSync(partial, createFlags, 0o600) };
  }

  /** Made at once, so that it holds what its target holds now: a later entry may replace that. */
  #hardLink(entry: TarEntry, elements: readonly string[]): void {
    const target = relativeElements(entry.linkTarget);
    // Stops `secret -> ../../etc/shadow`, and the same through a link that was there before.
    const found = target && traceSync(this.#base, this.#base, target);
    const inside = found !== undefined && found.problem === undefined;
    if (!inside || !lstatSync(found.path, { throwIfNoEntry: false })?.isFile()) {
      const shown = JSON.stringify(entry.linkTarget);
      const reason = `the hard link's target ${shown} is not a regular file of the directory`;
      throw archiveErrors.entry(entry.name, reason);
    }
    const { parent, path } = this.#place(entry, elements);
    const partial = this.#newPartial(parent);
    linkSync(found.path, partial);
    this.#rename(path);
    // Renaming a name of a file onto another of its names does nothing.
    rmSync(partial, { force: true });
  }

  #defer(entry: TarEntry, elements: readonly string[]): void {
    const isLink = entry.typeFlag === '2';
    if (isLink && !targetStaysInside(this.#linkDirectory(elements), entry.linkTarget)) {
      throw leadsOut(entry);
    }
    this.#deferred.set(elements.join('/'), { entry, ...this.#place(entry, elements) });
  }

  #place(entry: TarEntry, elements: readonly string[]): { parent: string; path: string } {
    const parent = this.#directories.parentOf(elements, entry.name);
    return { parent, path: join(parent, elements.at(-1) ?? '') };
  }

  #linkDirectory(elements: readonly string[]): string[] {
    const base = relative(this.#root, this.#base);
    return [...(base === '' ? [] : base.split(sep)), ...elements.slice(0, -1)];
  }

  #newPartial(parent: string): string {
    this.#partial = join(parent, this.#prefix);
    return this.#partial;
  }

  #rename(path: string): void {
    if (this.#partial !== undefined) renameSync(this.#partial, path);
    this.#partial = undefined;
  }
}

/** A device by Go's mode text, anything else by its letter in the format. */
function typeText({ typeFlag, mode }: TarEntry): string {
  const device = deviceTypes[typeFlag];
  return device === undefined ? JSON.stringify(typeFlag) : formatFileMode(device | (mode ?? 0));
}

/** Runs the system calls of an entry; what fails is told with the entry's name. */
function guarded(name: string, calls: () => void): void {
  try {
    calls();
  } catch (error) {
    throw explained(name, error);
  }
}

function explained(name: string, error: unknown): unknown {
  if (error instanceof GomoteError) return error;
  const code = errnoOf(error);
  if (code === 'EISDIR') return archiveErrors.entry(name, 'a directory is in its place');
  return localFileError(`tar file entry ${name}`, error);
}
