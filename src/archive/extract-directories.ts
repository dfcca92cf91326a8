// The directories of one extraction: each is checked or made once, and gets its mode and time at the end.
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { archiveErrors, localFileError } from './archive-error.ts';
import { traceSync } from './confine.ts';
import type { TarEntry } from './tar-reader.ts';

/** While files are put into it, a directory can be written by its owner and read by nobody else. */
const workingMode = 0o700;
/** Of a directory the archive has no entry for; the umask applies. */
const impliedMode = 0o755;

interface Attributes {
  mode: number;
  mtime: Date | undefined;
}

export class ExtractDirectories {
  readonly #base: string;
  /** Real paths of the directories known to stand inside the base, by name in the archive. */
  readonly #known = new Map<string, string>();
  /** What to set at the end, by real path: a second name of a directory is the same directory. */
  readonly #attributes = new Map<string, Attributes>();

  /** `base` is the real path of the directory to extract into. */
  constructor(base: string) {
    this.#base = base;
  }

  /** The real path of the directory that holds the entry; what is missing of it is made. */
  parentOf(elements: readonly string[], entryName: string): string {
    const key = elements.slice(0, -1).join('/');
    if (key === '') return this.#base;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    let path = this.#base;
    let name = '';
    for (const element of elements.slice(0, -1)) {
      name = name === '' ? element : `${name}/${element}`;
      path = this.#known.get(name) ?? this.#enter(path, element, entryName);
      this.#known.set(name, path);
    }
    return path;
  }

  #enter(parent: string, element: string, entryName: string): string {
    const path = join(parent, element);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) return path;
    if (stats === undefined) {
      mkdirSync(path, impliedMode);
      return path;
    }
    // Stops an upload from leaving through a link that was there before it.
    const found = traceSync(this.#base, parent, [element], { follow: true });
    if (found.problem !== undefined) {
      throw archiveErrors.entry(entryName, `the symbolic link ${path} leads out of the directory`);
    }
    if (lstatSync(found.path, { throwIfNoEntry: false })?.isDirectory()) return found.path;
    throw archiveErrors.entry(entryName, `${path} is not a directory`);
  }

  /** Makes the directory of an entry. Anything else of that name is replaced; a link is not followed. */
  make(entry: TarEntry, elements: readonly string[]): void {
    const last = elements.at(-1);
    if (last === undefined) return;
    const path = join(this.parentOf(elements, entry.name), last);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) {
      if ((stats.mode & workingMode) !== workingMode) chmodSync(path, stats.mode | workingMode);
    } else {
      if (stats !== undefined) {
        unlinkSync(path);
        // Names that led through the link lead here now.
        this.#known.clear();
      }
      mkdirSync(path, workingMode);
    }
    this.#known.set(elements.join('/'), path);
    this.#attributes.set(path, { mode: entry.mode ?? impliedMode, mtime: entry.mtime });
  }

  /** Sets modes and times, deepest first: a directory may become read-only, and making a file changes its time. */
  finish(): void {
    const deepestFirst = [...this.#attributes].sort(([a], [b]) => b.length - a.length);
    for (const [path, attributes] of deepestFirst) {
      try {
        setAttributes(path, attributes);
      } catch (error) {
        throw localFileError(path, error);
      }
    }
  }
}

function setAttributes(path: string, { mode, mtime }: Attributes): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if (mtime !== undefined) futimesSync(fd, mtime, mtime);
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}
