// Applies the changes of a tree stream below a directory: a file gets its final name only when it is complete and verified.
import { posix, relative } from 'node:path';
import { GomoteError } from '../errors.ts';
import { realRoot, resolveInside } from '../files/confine.ts';
import { lstatSync, rmSync } from '../files/named-fs.ts';
import { putInPlace, type Replaces } from '../files/put-in-place.ts';
import { isReserved } from '../files/reserved-names.ts';
import { pathOf, type TreeChange, type WriteChange } from '../protocol/tree-change.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import {
  archiveErrors,
  isOfOneEntry,
  outsideLinkError,
  withErrorsOf,
} from '../tar/archive-error.ts';
import { pointsOutside } from '../tar/entry-name.ts';
import { PatchSources } from './patch-sources.ts';
import { alterEntry, type TreeDirectories } from './tree-directories.ts';
import { proveContent, TreeFile, writeWholeFile } from './tree-file.ts';
import { makeTreeLinks } from './tree-links.ts';
import { TreePlace } from './tree-place.ts';
import type { TreeSink } from './tree-sink.ts';

export interface TreeWriterOptions {
  /** Whether symbolic links must stay inside the tree itself, not only inside the root. Default: no. */
  readonly linksStayInTree?: boolean;
  /** Called for each link that is skipped because it leads out. Absent: the first one refuses all changes. */
  readonly onOutsideLink?: (entry: TreeEntry) => void;
  /** Called with the head of each part before the part is applied. A throw refuses the changes. */
  readonly onHead?: (head: Buffer) => void;
  /**
   * Whether entries of another kind are replaced, a directory with everything in it; `empty`: a directory only if no file or link
   * is in it. Default: yes.
   */
  readonly replaces?: Replaces;
  /** Called before an entry replaces an existing one. A throw keeps the existing one. */
  readonly beforePlace?: (entry: TreeEntry) => void;
  /** Called for each entry that cannot be created. Absent: the first failure ends everything. */
  readonly onRefused?: (entry: TreeEntry, error: unknown) => void;
  /** Called for each applied change; for a file, with its digest. */
  readonly onDone?: (change: TreeChange, digest: string) => void;
}

export class TreeWriter implements TreeSink {
  readonly #root: string;
  readonly #base: string;
  /** Whether a new tree is created beside its destination, so that it appears in one step. */
  #isStaged: boolean;
  #place: TreePlace | undefined;
  readonly #options: TreeWriterOptions;
  readonly #sources = new PatchSources();
  readonly #links: TreeEntry[] = [];
  #open: { change: WriteChange; file: TreeFile } | undefined;
  #isRefused = false;
  #isTrusted = false;
  #isOver = false;
  #files = 0;
  #bytes = 0;

  /** `dir` is a path of the protocol below `root`; it is created if missing. */
  constructor(root: string, dir: string, options: TreeWriterOptions = {}) {
    this.#root = realRoot(root);
    this.#options = options;
    this.#base = resolveInside(root, dir, { follow: true });
    const stats = lstatSync(this.#base, { throwIfNoEntry: false });
    if (stats?.isDirectory() === false)
      throw new GomoteError('ERR_LOCAL_FILE', `${this.#base}: not a directory`);
    this.#isStaged = stats === undefined;
  }

  /** Files written so far, and the bytes in them. */
  get totals(): { files: number; bytes: number } {
    return { files: this.#files, bytes: this.#bytes };
  }

  /** Whether stopping now leaves nothing behind. */
  get leavesNothing(): boolean {
    return this.#isRefused && this.#isStaged;
  }

  get #fence(): string {
    return this.#options.linksStayInTree ? this.#base : this.#root;
  }

  begin(changes: readonly TreeChange[], head: Buffer): void {
    this.#isRefused = true;
    for (const change of changes) {
      const path = pathOf(change);
      if (isReserved(path)) throw archiveErrors.entry(path, 'the name is reserved');
      const leads = change.op === 'write' && this.#pointsOutside(change.entry);
      if (leads && this.#options.onOutsideLink === undefined)
        throw outsideLinkError(change.entry.path, change.entry.target);
    }
    this.#isRefused = false;
    this.#options.onHead?.(head);
    this.#tried(() => {
      this.#sources.release();
      this.#sources.keep(changes, this.#directories, this.#partial);
    });
  }

  #tried<T>(calls: () => T): T {
    return withErrorsOf(relative(this.#root, this.#base) || '.', calls, this.#root);
  }

  /** Prepares the destination, once. */
  get #ready(): TreePlace {
    this.#place ??= new TreePlace(this.#root, this.#base, {
      isStaged: this.#isStaged,
      replaces: this.#options.replaces !== false,
    });
    return this.#place;
  }

  get #directories(): TreeDirectories {
    return this.#ready.directories;
  }

  get #partial(): string {
    return this.#ready.partial;
  }

  #pointsOutside(entry: TreeEntry): boolean {
    return pointsOutside(relative(this.#fence, this.#base), entry);
  }

  apply(change: TreeChange): void {
    if (change.op === 'write') this.#applyEntry(change);
    else {
      alterEntry(this.#directories, change);
      this.#options.onDone?.(change, '');
    }
  }

  #applyEntry(change: WriteChange): void {
    const { entry } = change;
    if (this.#pointsOutside(entry)) this.#options.onOutsideLink?.(entry);
    else if (entry.kind === 'symlink') this.#links.push(entry);
    else {
      const isMade = this.#make(entry, () => {
        this.#directories.enter(posix.dirname(entry.path));
        this.#allow(entry);
        this.#directories.make(entry.path, entry.mode);
      });
      if (isMade) this.#options.onDone?.(change, '');
    }
  }

  /** Creates an entry. Returns false when that failed and was reported. */
  #make(entry: TreeEntry, calls: () => void): boolean {
    try {
      withErrorsOf(entry.path, calls, this.#root);
      return true;
    } catch (error) {
      const { onRefused } = this.#options;
      this.discard();
      if (onRefused === undefined || !isOfOneEntry(error)) throw error;
      onRefused(entry, error);
      return false;
    }
  }

  #allow(entry: TreeEntry): void {
    if (!this.#isStaged) this.#options.beforePlace?.(entry);
  }

  discard(): void {
    this.#open?.file.close();
    this.#open = undefined;
    if (this.#place !== undefined) rmSync(this.#partial, { force: true });
  }

  trust(): void {
    this.#isTrusted = true;
  }

  whole(change: WriteChange, content: Buffer, sha256: string, isProved = false): void {
    if (change.patch !== undefined) {
      this.open(change);
      this.content(content);
      this.close(sha256);
      return;
    }
    const { entry } = change;
    const isMade = this.#make(entry, () => {
      if (!this.#isTrusted && !isProved) proveContent(entry, content, sha256);
      const place = this.#placeOf(entry.path);
      const temporary = this.#isStaged ? place : this.#partial;
      writeWholeFile(temporary, entry, content);
      this.#allow(entry);
      if (!this.#isStaged) putInPlace(temporary, place, this.#options.replaces);
    });
    if (isMade) this.#done(change, sha256);
  }

  open(change: WriteChange): void {
    const { entry, patch } = change;
    this.#make(entry, () => {
      const source = patch && this.#sources.pathOf(patch.source);
      const options = { parts: patch?.parts, source, isTrusted: this.#isTrusted };
      const file = new TreeFile(this.#partial, entry, options);
      this.#open = { change, file };
      file.start();
    });
  }

  content(piece: Buffer): void {
    const open = this.#open;
    if (open !== undefined) this.#make(open.change.entry, () => open.file.write(piece));
  }

  close(sha256: string): void {
    const open = this.#open;
    if (open === undefined) return;
    const { entry } = open.change;
    const isMade = this.#make(entry, () => {
      open.file.finish(sha256);
      this.#open = undefined;
      const place = this.#placeOf(entry.path);
      this.#allow(entry);
      putInPlace(this.#partial, place, this.#options.replaces);
    });
    if (isMade) this.#done(open.change, sha256);
  }

  #placeOf(path: string): string {
    return `${this.#directories.enter(posix.dirname(path))}/${posix.basename(path)}`;
  }

  /** The absolute path of the directory that an entry is in. */
  #shownDirectory(path: string): string {
    const directory = posix.dirname(path);
    this.#directories.enter(directory);
    return directory === '.' ? this.#base : `${this.#base}/${directory}`;
  }

  #done(change: WriteChange, digest: string): void {
    this.#files++;
    this.#bytes += change.entry.size;
    this.#options.onDone?.(change, digest);
  }

  /** Creates the entries that come last. */
  finish(): void {
    this.#finish();
    this.#isOver = true;
    this.#place?.close();
  }

  #finish(): void {
    this.#tried(() => this.#ready);
    this.#settle();
    const made = this.#tried(() =>
      makeTreeLinks(this.#links, {
        fence: this.#fence,
        placeOf: ({ path }) => this.#placeOf(path),
        directoryOf: ({ path }) => this.#shownDirectory(path),
        make: (entry, calls) => this.#make(entry, calls),
        allow: (entry) => this.#allow(entry),
        replaces: this.#options.replaces,
        onOutsideLink: this.#options.onOutsideLink,
      }),
    );
    for (const entry of made) this.#options.onDone?.({ op: 'write', entry }, '');
    this.#tried(() => this.#directories.finish());
  }

  /**
   * Unless it is finished, keeps complete entries and removes incomplete ones; of a new tree that was refused,
   * nothing is kept. Never throws: there is already an error.
   */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      this.discard();
      if (this.leavesNothing) this.#place?.removeStaged();
      else if (this.#place !== undefined) {
        this.#settle();
        this.#directories.finish();
      }
    } catch {
      // The next change of the tree removes leftovers.
    } finally {
      this.#place?.close();
    }
  }

  /** Moves the tree to its destination and releases the sources. */
  #settle(): void {
    this.#tried(() => {
      this.#sources.release();
      if (!this.#isStaged || this.#place === undefined) return;
      this.#place.settle();
      this.#isStaged = false;
    });
  }
}
