// Watches a tree for changes. Each directory is watched before a walk lists it, so that whatever is written at
// any time is either listed or reported. Node's watcher loses a directory that is removed and recreated: every walk checks
// that the watched directory is the current one.
import type { FSWatcher } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { statSync, watch } from '../../files/named-fs.ts';

/** How long to wait for quiet after a change, in ms: editors and git write many files. */
const quietMs = 100;
/** The maximum wait for quiet, in ms, when a file is written all the time. */
const longestMs = 2_000;

/** Whether one watcher can watch a whole tree; elsewhere Node would watch each file. */
const isWhole = process.platform === 'darwin' || process.platform === 'win32';

interface Watched {
  readonly watcher: FSWatcher;
  readonly identity: string;
}

export class TreeWatch {
  readonly #top: string;
  /** By absolute path: the directories of the tree and its parents. */
  readonly #watched = new Map<string, Watched>();
  #visited = new Set<string>();
  #lastEventAtMs: number | undefined;
  #wake: () => void = () => undefined;

  constructor(top: string) {
    this.#top = top;
  }

  /** Starts to watch a directory of the tree. Call it before the directory is listed. Throws ERR_LOCAL_FILE. */
  enter(directory: string): void {
    if (directory === '') this.#begin();
    else if (isWhole) return;
    const path = directory === '' ? this.#top : join(this.#top, directory);
    this.#visited.add(path);
    this.#watch(path, undefined);
  }

  /** Begins a walk: above the top, only the names on the path are watched. */
  #begin(): void {
    this.#visited = new Set();
    const above: string[] = [];
    for (let path = this.#top; dirname(path) !== path; path = dirname(path)) above.unshift(path);
    for (const path of above) {
      this.#visited.add(dirname(path));
      this.#watch(dirname(path), basename(path));
    }
  }

  /** Ends a walk: stops watching directories that it did not enter. */
  leave(): void {
    for (const path of this.#watched.keys()) if (!this.#visited.has(path)) this.#forget(path);
  }

  /** `child`: only changes of this name in it, and of the directory itself. */
  #watch(path: string, child: string | undefined): void {
    const identity = identityOf(path);
    if (identity !== undefined && this.#watched.get(path)?.identity === identity) return;
    this.#forget(path);
    // Its parent is watched, and reports when it is created.
    if (identity === undefined) return;
    try {
      const options = { recursive: isWhole && child === undefined };
      const watcher = watch(path, options, (_, name) => {
        // An event of the directory itself carries its own name.
        if (name === basename(path)) this.#forget(path);
        const isOther = name !== null && name !== child && name !== basename(path);
        if (child === undefined || !isOther) this.#event();
      });
      this.#watched.set(path, { watcher, identity });
      watcher.on('error', () => {
        this.#forget(path);
        this.#event();
      });
      // It was replaced while the watcher was created.
      if (identityOf(path) !== identity) this.#watch(path, child);
    } catch (error) {
      this.#refuse(error, child !== undefined);
    }
  }

  #refuse(error: unknown, isAbove: boolean): void {
    const code = errnoOf(error) ?? '';
    // The walk reports unreadable directories; those above the tree need not be readable.
    if (isAbove || ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(code)) return;
    throw new GomoteError('ERR_LOCAL_FILE', `cannot watch the tree: ${messageOf(error)}`, {
      hint: code === 'ENOSPC' ? 'raise fs.inotify.max_user_watches' : undefined,
      cause: error,
    });
  }

  #forget(path: string): void {
    this.#watched.get(path)?.watcher.close();
    this.#watched.delete(path);
  }

  #event(): void {
    this.#lastEventAtMs = performance.now();
    this.#wake();
  }

  /**
   * Resolves with true when something has changed since the last call and all is quiet again; with false when nothing has
   * for `patienceMs`. Throws the signal's reason.
   */
  async changed(signal: AbortSignal, patienceMs = Infinity): Promise<boolean> {
    const endsAtMs = performance.now() + patienceMs;
    while (this.#lastEventAtMs === undefined) {
      signal.throwIfAborted();
      if (performance.now() >= endsAtMs) return false;
      await this.#next(signal, endsAtMs - performance.now());
    }
    const latestAtMs = performance.now() + longestMs;
    for (;;) {
      signal.throwIfAborted();
      const leftMs = Math.min(this.#lastEventAtMs + quietMs, latestAtMs) - performance.now();
      if (leftMs <= 0) break;
      await this.#next(signal, leftMs);
    }
    this.#lastEventAtMs = undefined;
    return true;
  }

  /** Waits for the next event, the time limit, or the end. */
  async #next(signal: AbortSignal, waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = Number.isFinite(waitMs) ? setTimeout(() => wake(), waitMs) : undefined;
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  close(): void {
    for (const path of [...this.#watched.keys()]) this.#forget(path);
  }
}

/** Distinguishes a directory from another one with its name, even with the same inode. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino, birthtimeMs } = statSync(path);
    return `${dev}:${ino}:${birthtimeMs}`;
  } catch {
    return undefined;
  }
}
