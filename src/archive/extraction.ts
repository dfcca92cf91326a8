// Puts the entries of one tar archive into a directory, and nothing outside it.
import { closeSync, fchmodSync, futimesSync, writeSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { realRoot, resolveInsideSync, traceSync } from '../files/confine.ts';
import { linkSync, lstatSync, mkdirSync } from '../files/named-fs.ts';
import { formatFileMode } from '../protocol/file-mode.ts';
import { archiveErrors, localFileError } from './archive-error.ts';
import { entryElements, relativeElements, targetStaysInside } from './entry-name.ts';
import { leadsOut, makeFifo, makeSymlink, recheckSymlinks } from './extract-links.ts';
import { type Attributes, directoryInPlace, Placement } from './placement.ts';
import { Staging } from './staging.ts';
import type { TarEntry, TarSink } from './tar-reader.ts';

interface OpenFile {
  entry: TarEntry;
  fd: number;
}

interface DeferredLink {
  entry: TarEntry;
  elements: readonly string[];
}

/** The type bits of the devices that a tar archive can hold. */
const deviceTypes: Record<string, number> = { '3': 0o020000, '4': 0o060000 };

/** Of an entry that has no mode. */
const defaultMode = 0o644;

/**
 * A sink of one TarReader. Until `finish`, all of it lies in a staging directory, and what was there before is as it
 * was. `discard` must be called at the end, however it went.
 */
export class Extraction implements TarSink {
  readonly #root: string;
  readonly #base: string;
  readonly #staging: Staging;
  readonly #attributes = new Map<string, Attributes>();
  /** By name in the archive, in the archive's order. */
  readonly #links = new Map<string, DeferredLink>();
  /** The bits that a new file does not get. */
  readonly #umask = process.umask();
  #open: OpenFile | undefined;
  #files = 0;
  #bytes = 0;

  /** Makes `dir`, a path of the protocol below `root`, when it is absent. */
  constructor(root: string, dir: string) {
    this.#root = realRoot(root);
    this.#base = resolveInsideSync(root, dir, { follow: true });
    const path = resolve(root, dir);
    try {
      mkdirSync(this.#base, { recursive: true, mode: 0o755 });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw localFileError(`mkdir ${path}`, error);
      throw new GomoteError('ERR_LOCAL_FILE', `mkdir ${path}: not a directory`, { cause: error });
    }
    try {
      this.#staging = new Staging(this.#base);
    } catch (error) {
      throw localFileError(path, error);
    }
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
    if (this.#links.size > 0) this.#links.delete(elements.join('/'));
    guarded(entry.name, () => this.#beginType(entry, elements));
  }

  #beginType(entry: TarEntry, elements: readonly string[]): void {
    const { typeFlag } = entry;
    if (typeFlag === '0') {
      const fd = this.#staging.create(elements, (entry.mode ?? defaultMode) & 0o777);
      this.#open = { entry, fd };
    } else if (typeFlag === '1') this.#hardLink(entry, elements);
    else if (typeFlag === '5') this.#directory(entry, elements);
    else if (typeFlag === '2') this.#deferLink(entry, elements);
    else if (typeFlag === '6') this.#staging.make(elements, (path) => makeFifo(entry, path));
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
    const { entry, fd } = open;
    const mode = entry.mode ?? defaultMode;
    guarded(entry.name, () => {
      // The umask took these bits away, or writing did.
      if ((mode & (this.#umask | 0o7000)) !== 0) fchmodSync(fd, mode);
      if (entry.mtime !== undefined) futimesSync(fd, entry.mtime, entry.mtime);
      this.#open = undefined;
      closeSync(fd);
    });
    this.#files++;
    this.#bytes += entry.sizeBytes;
  }

  /** Gives everything its name. Links are made last: nothing of the archive is written through one it brought. */
  finish(): void {
    const placement = new Placement(this.#base, this.#staging, this.#attributes);
    guarded('.', () => {
      placement.plan();
      placement.execute();
      this.#staging.remove();
    });
    const made = [...this.#links.values()].map(({ entry, elements }) => {
      const parent = placement.placeOf(elements.slice(0, -1).join('/'));
      const link = { entry, parent, path: join(parent, elements.at(-1) ?? '') };
      guarded(entry.name, () => makeSymlink(this.#root, link, this.#staging.path));
      return link;
    });
    guarded('.', () => recheckSymlinks(this.#root, made));
    placement.setAttributes();
  }

  /** Removes what has got no name. Never throws: there is an error already, or nothing to do. */
  discard(): void {
    try {
      if (this.#open !== undefined) closeSync(this.#open.fd);
      this.#open = undefined;
      this.#staging.remove();
    } catch {
      // The directory was made unwritable meanwhile: what has no final name stays under its temporary one.
    }
  }

  #directory(entry: TarEntry, elements: readonly string[]): void {
    if (elements.length === 0) return;
    this.#staging.makeDirectory(elements);
    const { mode = 0o755, mtime } = entry;
    this.#attributes.set(elements.join('/'), { mode, mtime });
  }

  /** Made at once, so that it holds what its target holds now: a later entry may replace that. */
  #hardLink(entry: TarEntry, elements: readonly string[]): void {
    const target = relativeElements(entry.linkTarget);
    const found = target && this.#fileOf(target);
    if (found === undefined) {
      const shown = JSON.stringify(entry.linkTarget);
      const reason = `the hard link's target ${shown} is not a regular file of the directory`;
      throw archiveErrors.entry(entry.name, reason);
    }
    this.#staging.make(elements, (path) => {
      if (path !== found) linkSync(found, path);
    });
  }

  /** The file that has the name: of the archive, else of the directory. */
  #fileOf(elements: readonly string[]): string | undefined {
    const name = elements.join('/');
    if (this.#links.has(name)) return undefined;
    const staged = this.#staging.pathOf(name);
    const stats = lstatSync(staged, { throwIfNoEntry: false });
    if (stats !== undefined) return stats.isFile() ? staged : undefined;
    // Stops `secret -> ../../etc/shadow`, and the same through a link that was there before.
    const { path, problem } = traceSync(this.#base, this.#base, elements);
    if (problem !== undefined) return undefined;
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() ? path : undefined;
  }

  #deferLink(entry: TarEntry, elements: readonly string[]): void {
    const base = relative(this.#root, this.#base);
    const directory = [...(base === '' ? [] : base.split(sep)), ...elements.slice(0, -1)];
    if (!targetStaysInside(directory, entry.linkTarget)) throw leadsOut(entry);
    this.#staging.clear(elements);
    this.#links.set(elements.join('/'), { entry, elements });
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
    if (error instanceof GomoteError) throw error;
    const code = errnoOf(error);
    if (code === 'EISDIR' || code === 'EEXIST') throw directoryInPlace(name);
    throw localFileError(`tar file entry ${name}`, error);
  }
}
