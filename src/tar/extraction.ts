// Puts the entries of one tar archive into a directory, and nothing outside it.
import { posix, relative, resolve, sep } from 'node:path';
import { errnoOf, GomoteError, isErrno } from '../errors.ts';
import { realRoot, trace } from '../files/confine.ts';
import { linkSync, lstatSync, readlinkSync, rmdirSync } from '../files/named-fs.ts';
import type { OpenDirectory } from '../files/open-directory.ts';
import { OpenTree } from '../files/open-tree.ts';
import { reach, reachDirectory } from '../files/reach.ts';
import { SparseFile } from '../files/sparse-file.ts';
import { quoted } from '../printable.ts';
import { formatFileMode } from '../protocol/file-mode.ts';
import { archiveErrors, localFileError, outsideLinkError } from './archive-error.ts';
import { entryElements, relativeElements, targetStaysInside } from './entry-name.ts';
import { type DeferredLink, followLinks, makeFifo, planLinks } from './extract-links.ts';
import { type Attributes, directoryInPlace, Placement } from './placement.ts';
import { Staging } from './staging.ts';
import type { TarEntry, TarSink } from './tar-reader.ts';
import { UndoList } from './undo-list.ts';

/** The type bits of the devices that a tar archive can hold. */
const deviceTypes: Record<string, number> = { '3': 0o020000, '4': 0o060000 };

/** The mode of an entry without one. */
const defaultMode = 0o644;

/** The size limit of what is kept until the end: names of directories and links, and targets. */
const maxKeptBytes = 128 << 20;
/** The overhead of each. */
const keptOverhead = 200;

export interface ExtractionOptions {
  /** Whether to strip a `/` at the start of names, as tar does. Default: such names are refused. */
  readonly stripsRoot?: boolean | undefined;
  /** Whether symbolic links may lead anywhere; nothing is written through one anyway. Default: only inside. */
  readonly hasAnyLinks?: boolean | undefined;
}

/**
 * A sink of one TarReader. Until `finish`, everything is in a staging directory, and existing files are
 * unchanged. `discard` must be called at the end in any case.
 */
export class Extraction implements TarSink {
  readonly #root: string;
  readonly #dir: string;
  readonly #options: ExtractionOptions;
  readonly #target: OpenTree;
  readonly #staging: Staging;
  readonly #undo = new UndoList();
  readonly #attributes = new Map<string, Attributes>();
  /** By name in the archive, in the archive's order. */
  readonly #links = new Map<string, DeferredLink>();
  #open: { entry: TarEntry; file: SparseFile } | undefined;
  #files = 0;
  #bytes = 0;
  #keptBytes = 0;

  /** Makes `dir`, a path of the protocol below `root`, when it is absent. */
  constructor(root: string, dir: string, options: ExtractionOptions = {}) {
    this.#root = realRoot(root);
    this.#dir = dir;
    this.#options = options;
    const path = resolve(root, dir);
    try {
      this.#target = new OpenTree(this.#openTarget());
    } catch (error) {
      this.#undo.undo();
      if (error instanceof GomoteError) throw error;
      if (errnoOf(error) !== 'ENOTDIR') throw localFileError(`mkdir ${path}`, error);
      throw new GomoteError('ERR_LOCAL_FILE', `mkdir ${path}: not a directory`, { cause: error });
    }
    try {
      this.#staging = new Staging(this.#target.top);
    } catch (error) {
      this.#undo.undo();
      this.#target.close();
      throw localFileError(path, error);
    }
    this.#undo.run(
      () => undefined,
      () => this.#staging.remove(),
    );
  }

  #openTarget(): OpenDirectory {
    const root = this.#root;
    const onMake = (made: string) => {
      const remove = () => {
        const place = reach(root, relative(root, made));
        try {
          rmdirSync(place.at);
        } finally {
          place.close();
        }
      };
      this.#undo.run(() => undefined, remove);
    };
    return reachDirectory(root, this.#dir, { make: { mode: 0o755, all: true, onMake } });
  }

  /** Regular files written so far, and the bytes in them. */
  get totals(): { files: number; bytes: number } {
    return { files: this.#files, bytes: this.#bytes };
  }

  begin(entry: TarEntry): void {
    const named = this.#elementsOf(entry);
    if (named.length === 0 && entry.typeFlag !== '5') throw archiveErrors.invalidName(entry.name);
    const elements = followLinks(entry.name, named, this.#links);
    if (this.#links.size > 0) this.#links.delete(elements.join('/'));
    this.#attempt(entry.name, () => this.#beginType(entry, elements));
  }

  #elementsOf({ name }: TarEntry): string[] {
    const isStripped = this.#options.stripsRoot === true && name.startsWith('/');
    return entryElements(isStripped ? name.replace(/^\/+/, './') : name);
  }

  #beginType(entry: TarEntry, elements: readonly string[]): void {
    const { typeFlag } = entry;
    if (typeFlag === '0') {
      const fd = this.#staging.create(elements, (entry.mode ?? defaultMode) & 0o777);
      this.#open = { entry, file: new SparseFile(fd, entry.sizeBytes) };
    } else if (typeFlag === '1') this.#hardLink(entry, elements);
    else if (typeFlag === '5') this.#directory(entry, elements);
    else if (typeFlag === '2') this.#deferLink(entry, elements);
    else if (typeFlag === '6') this.#staging.make(elements, (at) => makeFifo(entry, at));
    else throw archiveErrors.unsupportedType(entry.name, typeText(entry));
  }

  content(piece: Buffer): void {
    const open = this.#open;
    if (open !== undefined) this.#attempt(open.entry.name, () => open.file.write(piece));
  }

  hole(bytes: number): void {
    this.#open?.file.hole(bytes);
  }

  end(): void {
    const open = this.#open;
    if (open === undefined) return;
    const { entry, file } = open;
    const mode = entry.mode ?? defaultMode;
    this.#attempt(entry.name, () => file.finish(mode, entry.mtime?.getTime()));
    this.#open = undefined;
    this.#files++;
    this.#bytes += entry.sizeBytes;
  }

  /** Moves everything to its final name. Links are created last: nothing is written through a link of the archive. */
  finish(): void {
    const [target, staging] = [this.#target, this.#staging];
    const placement = new Placement(target, staging, this.#attributes, this.#undo);
    this.#attempt('.', () => {
      placement.plan();
      const links = [...this.#links.values()];
      const root = this.#options.hasAnyLinks ? undefined : this.#root;
      const plan = planLinks(root, target.top.path, links, { placement, staging });
      placement.execute();
      for (const { entry, place } of plan) {
        this.#attempt(entry.name, () => placement.makeLink(place, entry.linkTarget, entry.mtime));
      }
      placement.setAttributes();
      this.#undo.commit();
      staging.remove();
      placement.finish();
      this.#undo.commit();
    });
  }

  /** Undoes what is unfinished. Never throws: there is already an error, or nothing to do. */
  discard(): void {
    this.#open?.file.close();
    this.#open = undefined;
    this.#undo.undo();
    try {
      this.#staging.remove();
    } catch {
      // The directory was made unwritable meanwhile: what has no final name stays under its temporary one.
    }
    this.#target.close();
  }

  /** Runs the system calls of an entry; errors name the entry. */
  #attempt(name: string, calls: () => void): void {
    try {
      calls();
    } catch (error) {
      if (error instanceof GomoteError) throw error;
      const code = errnoOf(error);
      if (code === 'EISDIR' || code === 'EEXIST') throw directoryInPlace(name);
      throw localFileError(`tar file entry ${name}`, error, this.#target.top.path);
    }
  }

  #directory(entry: TarEntry, elements: readonly string[]): void {
    const { mode = 0o755, mtime } = entry;
    const name = elements.join('/');
    // The work directory itself is the buildlet's own.
    if (name === '' && this.#target.top.path === this.#root) return;
    if (name !== '') this.#staging.makeDirectory(elements);
    this.#keep(name.length);
    this.#attributes.set(name, { mode, mtime });
  }

  #keep(bytes: number): void {
    this.#keptBytes += bytes + keptOverhead;
    if (this.#keptBytes > maxKeptBytes) throw archiveErrors.tooMany();
  }

  /** Created at once, so that it has its target's current content, which a later entry may replace. */
  #hardLink(entry: TarEntry, elements: readonly string[]): void {
    // Names of entries are relative, but tar keeps the leading `/` in some targets.
    const named = relativeElements(entry.linkTarget.replace(/^\/+/, ''));
    const found = named && this.#linked(followLinks(entry.name, named, this.#links));
    if (found === undefined) {
      const shown = quoted(entry.linkTarget);
      const reason = `the hard link's target ${shown} is not a regular file of the directory`;
      throw archiveErrors.entry(entry.name, reason);
    }
    // Of a symbolic link, another one is as good.
    if (found.kind === 'symlink') {
      this.#deferLink({ ...entry, linkTarget: found.target }, elements);
      return;
    }
    const { tree, path } = found;
    if (tree === this.#staging.tree && path === elements.join('/')) return;
    const parent = tree.directory(posix.dirname(path)).child('.');
    try {
      this.#staging.make(elements, (at) => linkSync(parent.at(posix.basename(path)), at));
    } finally {
      parent.close();
    }
  }

  /** The entry of this name: in the archive, else in the directory. */
  #linked(elements: readonly string[]): Linked | undefined {
    const name = elements.join('/');
    const link = this.#links.get(name);
    if (link !== undefined) return { kind: 'symlink', target: link.entry.linkTarget };
    const staged = linkedIn(this.#staging.tree, name);
    if (staged !== 'absent') return staged;
    // Refuse `secret -> ../../etc/shadow`, also through an existing link.
    const base = this.#target.top.path;
    const { path, problem } = trace(base, base, elements);
    if (problem !== undefined) return undefined;
    const found = linkedIn(this.#target, path.slice(base.length + 1));
    return found === 'absent' ? undefined : found;
  }

  #deferLink(entry: TarEntry, elements: readonly string[]): void {
    const base = relative(this.#root, this.#target.top.path);
    const directory = [...(base === '' ? [] : base.split(sep)), ...elements.slice(0, -1)];
    if (!this.#options.hasAnyLinks && !targetStaysInside(directory, entry.linkTarget))
      throw outsideLinkError(entry.name, entry.linkTarget);
    this.#staging.clear(elements);
    const name = elements.join('/');
    this.#keep(name.length + entry.linkTarget.length);
    this.#links.set(name, { entry, elements });
  }
}

/** The target of a hard link. */
type Linked =
  | { readonly kind: 'file'; readonly tree: OpenTree; readonly path: string }
  | { readonly kind: 'symlink'; readonly target: string };

function linkedIn(tree: OpenTree, path: string): Linked | 'absent' | undefined {
  try {
    const stats = lstatSync(tree.at(path), { throwIfNoEntry: false });
    if (stats === undefined) return 'absent';
    if (stats.isSymbolicLink()) return { kind: 'symlink', target: readlinkSync(tree.at(path)) };
    return stats.isFile() ? { kind: 'file', tree, path } : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'absent';
    throw error;
  }
}

/** A device by Go's mode text, anything else by its letter in the format. */
function typeText({ typeFlag, mode }: TarEntry): string {
  const device = deviceTypes[typeFlag];
  return device === undefined ? JSON.stringify(typeFlag) : formatFileMode(device | (mode ?? 0));
}
