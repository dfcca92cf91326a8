// Digests of files that need not be read again: known by size, times and inode, as git knows what is unchanged.
//
// A file that was changed in the same tick of the clock as it was read can look unchanged ever after ("racily clean"):
// a digest is kept only when the file's times are safely older than the moment its reading began.

/** What tells a changed file from an unchanged one; Node's Stats has them. */
export interface FileIdentity {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
}

/** As many as are kept: some 100 MB of a large tree's names. */
const defaultLimit = 500_000;
/** Clocks of file systems tick every few milliseconds at best. */
const fineTickMs = 20;
/** Times in whole seconds: a file system that knows no better; FAT's ticks are of two seconds. */
const coarseTickMs = 2_500;

type Known = readonly [size: number, mtimeMs: number, ctimeMs: number, ino: number, digest: string];

export class DigestCache {
  readonly #known: Map<string, Known>;
  readonly #limit: number;

  /** `entries`: what `entries()` gave before. Beyond `limit` those remembered first are dropped. */
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

  /**
   * Keeps a digest. `file` is what the open file was when its reading began, at `startedMs` (Date.now()); the caller
   * has seen it unchanged at the end of the reading.
   */
  remember(key: string, file: FileIdentity, digest: string, startedMs: number): void {
    const { size, mtimeMs, ctimeMs, ino } = file;
    this.#known.delete(key);
    if (!isSettled(file, startedMs)) return;
    this.#known.set(key, [size, mtimeMs, ctimeMs, ino, digest]);
    if (this.#known.size > this.#limit) this.#dropOldest();
  }

  /** All that is known, to be kept in a file. */
  entries(): IterableIterator<[string, Known]> {
    return this.#known.entries();
  }

  #dropOldest(): void {
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Whether every change of the file from `startedMs` on will show. */
export const isSettled = (
  { mtimeMs, ctimeMs }: Pick<FileIdentity, 'mtimeMs' | 'ctimeMs'>,
  startedMs: number,
): boolean => startedMs - Math.max(mtimeMs, ctimeMs) >= tickMs(ctimeMs);

const tickMs = (timeMs: number): number =>
  Number.isInteger(timeMs / 1000) ? coarseTickMs : fineTickMs;
