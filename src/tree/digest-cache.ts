// A cache of file digests by size, times and inode, in the way git detects unchanged files.
//
// A file that changes in the same clock tick in which it was read can look unchanged forever ("racily clean"):
// a digest is kept only when the file's times are safely older than the moment its reading began.
import { setNewest } from '../newest.ts';

/** The fields by which a changed file is detected; Node's Stats has them. */
export interface FileIdentity {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
}

/** The maximum number of entries: some 100 MB for the names of a large tree. */
const defaultLimit = 500_000;
/** Clocks of file systems tick every few milliseconds at best. */
const fineTickMs = 20;
/** Times in whole seconds come from a coarse file system; FAT's ticks are two seconds. */
const coarseTickMs = 2_500;

type Known = readonly [size: number, mtimeMs: number, ctimeMs: number, ino: number, digest: string];

export class DigestCache {
  readonly #known: Map<string, Known>;
  readonly #limit: number;

  /** `entries`: an earlier result of `entries()`. Beyond `limit`, the oldest are dropped. */
  constructor(entries: Iterable<readonly [string, Known]> = [], limit = defaultLimit) {
    this.#known = new Map(entries);
    this.#limit = limit;
  }

  /** The digest under this key (a path, say), unless the file may have changed since. */
  lookup(key: string, file: FileIdentity): string | undefined {
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    const [size, mtimeMs, ctimeMs, ino, digest] = known;
    const isSame =
      size === file.size &&
      mtimeMs === file.mtimeMs &&
      ctimeMs === file.ctimeMs &&
      ino === file.ino;
    return isSame ? digest : undefined;
  }

  /** Whether there is a digest under this key, of whatever file. */
  has(key: string): boolean {
    return this.#known.has(key);
  }

  /**
   * Stores a digest. `file` is the state of the open file before it was read, `startedAtMs` a moment before that (Date.now()). A
   * change while it is read shows in its times, by which it is looked up.
   */
  remember(key: string, file: FileIdentity, digest: string, startedAtMs: number): void {
    const { size, mtimeMs, ctimeMs, ino } = file;
    if (!isSettled(file, startedAtMs)) this.#known.delete(key);
    else setNewest(this.#known, key, [size, mtimeMs, ctimeMs, ino, digest], this.#limit);
  }

  /** All entries, to be stored in a file. */
  entries(): IterableIterator<[string, Known]> {
    return this.#known.entries();
  }
}

/** Whether every change of the file after `startedAtMs` will be visible. */
export const isSettled = (
  { mtimeMs, ctimeMs }: Pick<FileIdentity, 'mtimeMs' | 'ctimeMs'>,
  startedAtMs: number,
): boolean => startedAtMs - Math.max(mtimeMs, ctimeMs) >= tickMs(ctimeMs);

const tickMs = (timeMs: number): number =>
  Number.isInteger(timeMs / 1000) ? coarseTickMs : fineTickMs;
