// Makes the changes of a tree stream below a directory: each file appears under its name only whole and proved.
import { hash, randomBytes } from 'node:crypto';
import { dirname, posix, relative, sep } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { realRoot, resolveInsideSync } from '../files/confine.ts';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
} from '../files/named-fs.ts';
import { removeTreeSync } from '../files/remove-tree.ts';
import { pathOf, type TreeChange } from '../protocol/tree-change.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { archiveErrors, localFileError } from './archive-error.ts';
import { targetStaysInside } from './entry-name.ts';
import { PatchSources } from './patch-sources.ts';
import { putInPlace } from './put-in-place.ts';
import { isReserved } from './reserved-names.ts';
import { TreeDirectories } from './tree-directories.ts';
import { proveContent, TreeFile, writeWholeFile } from './tree-file.ts';
import { leadsOut, makeTreeLinks } from './tree-links.ts';
import type { TreeSink } from './tree-receiver.ts';

export interface TreeWriterOptions {
  /** Whether symbolic links must stay inside the tree itself, not only inside the root. Default: no. */
  readonly linksStayInTree?: boolean;
  /** Told of each link that is not made because it leads out. Absent: the first one refuses all changes. */
  readonly onLeadsOut?: (entry: TreeEntry) => void;
  /** Sees the head of each part of the changes before any of the part is made; a throw refuses them. */
  readonly onHead?: (head: Buffer) => void;
  /** Told of each change that is made; of a file, with its digest. */
  readonly onDone?: (change: TreeChange, digest: string) => void;
}

export class TreeWriter implements TreeSink {
  readonly #root: string;
  readonly #base: string;
  /** Where the tree is made: the base, or beside it while there is none, so that it appears in one step. */
  #top: string;
  readonly #prefix: string;
  /** Of what has not got its own name yet. */
  readonly #partial: string;
  readonly #directories: TreeDirectories;
  readonly #options: TreeWriterOptions;
  readonly #sources: PatchSources;
  readonly #links: TreeEntry[] = [];
  #open: { change: TreeChange; entry: TreeEntry; file: TreeFile } | undefined;
  #isBegun = false;
  #isRefused = false;
  #isTrusted = false;
  #isOver = false;
  #files = 0;
  #bytes = 0;

  /** `dir` is a path of the protocol below `root`; it is made when it is absent. */
  constructor(root: string, dir: string, options: TreeWriterOptions = {}) {
    this.#root = realRoot(root);
    this.#options = options;
    this.#base = resolveInsideSync(root, dir, { follow: true });
    const stats = lstatSync(this.#base, { throwIfNoEntry: false });
    if (stats?.isDirectory() === false) {
      throw new GomoteError('ERR_LOCAL_FILE', `${this.#base}: not a directory`);
    }
    // One change of a tree is made at a time: what else is found of this name was left by an end by force.
    this.#prefix = `.gomote-push-${hash('sha256', this.#base, 'hex').slice(0, 8)}-`;
    const name = this.#prefix + randomBytes(4).toString('hex');
    this.#top = stats === undefined ? `${dirname(this.#base)}/${name}` : this.#base;
    this.#partial = `${this.#top}/${name}`;
    this.#directories = new TreeDirectories(this.#top);
    this.#sources = new PatchSources(this.#partial);
  }

  /** Files written so far, and the bytes in them. */
  get totals(): { files: number; bytes: number } {
    return { files: this.#files, bytes: this.#bytes };
  }

  /** Whether an end now leaves nothing of what was made. */
  get leavesNothing(): boolean {
    return this.#isRefused && this.#isStaged;
  }

  get #isStaged(): boolean {
    return this.#top !== this.#base;
  }

  /** What links must stay inside. */
  get #fence(): string {
    return this.#options.linksStayInTree ? this.#base : this.#root;
  }

  begin(changes: readonly TreeChange[], head: Buffer): void {
    this.#isRefused = true;
    for (const change of changes) {
      const path = pathOf(change);
      if (isReserved(path)) throw archiveErrors.entry(path, 'the name is reserved');
      const leads = change.op === 'write' && this.#leadsOut(change.entry);
      if (leads && this.#options.onLeadsOut === undefined) throw leadsOut(change.entry);
    }
    this.#isRefused = false;
    this.#options.onHead?.(head);
    guarded('.', () => {
      this.#prepare();
      this.#sources.release();
      this.#sources.keep(changes, this.#directories);
    });
  }

  /** Sees to the place, once. */
  #prepare(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    if (this.#isStaged) mkdirSync(this.#top, { recursive: true, mode: 0o755 });
    for (const directory of [dirname(this.#base), this.#base]) this.#removePartials(directory);
  }

  #leadsOut({ kind, path, target }: TreeEntry): boolean {
    if (kind !== 'symlink') return false;
    const above = relative(this.#fence, this.#base).split(sep).filter(Boolean);
    return !targetStaysInside([...above, ...path.split('/').slice(0, -1)], target);
  }

  #removePartials(directory: string): void {
    if (lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return;
    for (const name of readdirSync(directory)) {
      const path = `${directory}/${name}`;
      if (name.startsWith(this.#prefix) && path !== this.#top) removeTreeSync(path);
    }
  }

  apply(change: TreeChange): void {
    const path = pathOf(change);
    guarded(path, () => {
      if (change.op === 'remove') this.#remove(path);
      else if (change.op === 'mode') this.#changeMode(path, change.mode);
      else if (this.#leadsOut(change.entry)) this.#options.onLeadsOut?.(change.entry);
      else if (change.entry.kind === 'symlink') this.#links.push(change.entry);
      else this.#directories.make(path, change.entry.mode);
    });
    const isLink = change.op === 'write' && change.entry.kind === 'symlink';
    if (!isLink) this.#options.onDone?.(change, '');
  }

  #remove(path: string): void {
    const found = this.#directories.find(path);
    if (found === undefined) return;
    const stats = lstatSync(found, { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true) {
      if (stats !== undefined) unlinkSync(found);
      return;
    }
    try {
      rmdirSync(found);
      this.#directories.forget(path);
    } catch (error) {
      // What is still in it was not sent from here.
      if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
    }
  }

  #changeMode(path: string, mode: number): void {
    const found = this.#directories.find(path);
    if (found === undefined || lstatSync(found, { throwIfNoEntry: false })?.isFile() !== true) {
      throw archiveErrors.entry(path, 'it is not there any more');
    }
    chmodSync(found, mode);
  }

  trust(): void {
    this.#isTrusted = true;
  }

  whole(change: TreeChange, content: Buffer, sha256: string): void {
    if (change.op !== 'write') return;
    if (change.patch !== undefined) {
      this.open(change);
      this.content(content);
      this.close(sha256);
      return;
    }
    const { entry } = change;
    guarded(entry.path, () => {
      if (!this.#isTrusted) proveContent(entry, content, sha256);
      const place = this.#placeOf(entry.path);
      const temporary = this.#isStaged ? place : this.#partial;
      try {
        writeWholeFile(temporary, entry, content);
        if (!this.#isStaged) putInPlace(temporary, place);
      } catch (error) {
        rmSync(this.#partial, { force: true });
        throw error;
      }
    });
    this.#done(change, sha256);
  }

  open(change: TreeChange): void {
    if (change.op !== 'write') return;
    const { entry, patch } = change;
    guarded(entry.path, () => {
      const source = patch && this.#sources.pathOf(patch.source);
      const options = { parts: patch?.parts, source, isTrusted: this.#isTrusted };
      const file = new TreeFile(this.#partial, entry, options);
      this.#open = { change, entry, file };
      file.start();
    });
  }

  content(piece: Buffer): void {
    const open = this.#open;
    if (open !== undefined) guarded(open.entry.path, () => open.file.write(piece));
  }

  close(sha256: string): void {
    const open = this.#open;
    if (open === undefined) return;
    guarded(open.entry.path, () => {
      open.file.finish(sha256);
      this.#open = undefined;
      putInPlace(this.#partial, this.#placeOf(open.entry.path));
    });
    this.#done(open.change, sha256);
  }

  #placeOf(path: string): string {
    return `${this.#directories.enter(posix.dirname(path))}/${posix.basename(path)}`;
  }

  #done(change: TreeChange, digest: string): void {
    this.#files++;
    if (change.op === 'write') this.#bytes += change.entry.size;
    this.#options.onDone?.(change, digest);
  }

  /** Makes what is made last. */
  finish(): void {
    this.#finish();
    this.#isOver = true;
  }

  #finish(): void {
    guarded('.', () => this.#prepare());
    this.#settle();
    const made = guarded('.', () =>
      makeTreeLinks(this.#links, {
        fence: this.#fence,
        placeOf: (path) => this.#placeOf(path),
        onLeadsOut: this.#options.onLeadsOut,
      }),
    );
    for (const entry of made) this.#options.onDone?.({ op: 'write', entry }, '');
    guarded('.', () => this.#directories.finish());
  }

  /**
   * Unless it is finished: what is whole stays, what is not goes; of a tree that was not there before and was refused,
   * nothing stays. Never throws: there is an error already.
   */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      this.#open?.file.close();
      rmSync(this.#partial, { force: true });
      if (this.leavesNothing) removeTreeSync(this.#top);
      else {
        this.#settle();
        this.#directories.finish();
      }
    } catch {
      // The next change of the tree finds what is left.
    }
  }

  /** Gives the tree its place and lets go of the sources. */
  #settle(): void {
    guarded('.', () => {
      this.#sources.release();
      if (!this.#isStaged || lstatSync(this.#top, { throwIfNoEntry: false }) === undefined) return;
      renameSync(this.#top, this.#base);
      this.#directories.moveTop(this.#top, this.#base);
      this.#top = this.#base;
    });
  }
}

/** Runs system calls; what fails is told with the entry's name. */
function guarded<T>(path: string, calls: () => T): T {
  try {
    return calls();
  } catch (error) {
    throw error instanceof GomoteError ? error : localFileError(path, error);
  }
}
