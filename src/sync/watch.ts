// Tells when something in a tree changes.
import type { FSWatcher } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import { watch } from '../files/named-fs.ts';

/** How long nothing may have happened before a change counts as over, in ms: editors and git write many files. */
const quietMs = 100;

export class TreeWatch {
  readonly #top: string;
  /** By directory, the top's path being empty. */
  readonly #watchers = new Map<string, FSWatcher>();
  #lastEventMs: number | undefined;
  #wake: () => void = () => undefined;

  constructor(top: string) {
    this.#top = top;
  }

  /** Watches these directories, paths in the tree, and no others. Throws ERR_LOCAL_FILE. */
  follow(directories: readonly string[]): void {
    // Where the system can watch a whole tree, one watcher does; elsewhere Node would watch each file.
    const isWhole = process.platform === 'darwin' || process.platform === 'win32';
    const wanted = new Set(isWhole ? [''] : ['', ...directories]);
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (!this.#watchers.has(directory)) this.#watch(directory, isWhole);
    }
  }

  #watch(directory: string, recursive: boolean): void {
    try {
      const watcher = watch(`${this.#top}/${directory}`, { recursive }, () => this.#event());
      this.#watchers.set(directory, watcher);
      watcher.on('error', () => {
        // It has been removed; if it is made again, the next push follows it anew.
        watcher.close();
        this.#watchers.delete(directory);
        this.#event();
      });
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        this.#event();
        return;
      }
      throw new GomoteError('ERR_LOCAL_FILE', `cannot watch the tree: ${messageOf(error)}`, {
        hint: code === 'ENOSPC' ? 'raise fs.inotify.max_user_watches' : undefined,
        cause: error,
      });
    }
  }

  #event(): void {
    this.#lastEventMs = performance.now();
    this.#wake();
  }

  /** Resolves when something has changed since it last did, and all is quiet again. Throws what `signal` says. */
  async changed(signal: AbortSignal): Promise<void> {
    while (this.#lastEventMs === undefined) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    for (;;) {
      const leftMs = this.#lastEventMs + quietMs - performance.now();
      if (leftMs <= 0) break;
      await sleep(leftMs, undefined, { signal });
    }
    this.#lastEventMs = undefined;
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }
}
