// The times of files in a push. A file keeps the time that it has on the pusher's machine, unless a command
// ran here since then: its output would look newer than a source that it did not see.
import type { TreeChange, WriteChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { passingTo, type TreeSink } from '../../tree/tree-sink.ts';

interface FileTimesOptions {
  /** The last time at which a command ran. */
  readonly ranAtMs: number;
  /** The entries of earlier pushes; if there are none, no command has used them. */
  readonly pushed: ReadonlyMap<string, TreeEntry>;
}

export class FileTimes {
  readonly #options: FileTimesOptions;
  /** The same for all files of a push, so that none looks newer than another. */
  readonly #nowMs = Date.now();
  readonly #sentMs = new Map<string, number>();

  constructor(options: FileTimesOptions) {
    this.#options = options;
  }

  /** The change as applied. */
  made(change: TreeChange): TreeChange {
    if (change.op === 'time') {
      const before = this.#options.pushed.get(change.path)?.mtimeMs ?? 0;
      if (change.mtimeMs <= before || this.#isRight(change.mtimeMs)) return change;
      this.#sentMs.set(change.path, change.mtimeMs);
      return { ...change, mtimeMs: this.#nowMs };
    }
    return change.op === 'write' ? this.written(change) : change;
  }

  /** The written entry as applied. */
  written(change: WriteChange): WriteChange {
    const { kind, path, mtimeMs } = change.entry;
    if (kind !== 'file') return change;
    if (this.#isRight(mtimeMs)) return change;
    this.#sentMs.set(path, mtimeMs);
    return { ...change, entry: { ...change.entry, mtimeMs: this.#nowMs } };
  }

  #isRight(mtimeMs: number): boolean {
    const { ranAtMs, pushed } = this.#options;
    return pushed.size === 0 || mtimeMs > ranAtMs;
  }

  /** The time that was sent for a file, where it got another one. */
  sentMs(path: string, mtimeMs: number): number {
    return this.#sentMs.get(path) ?? mtimeMs;
  }
}

/** The sink, which gets each change as it is made. */
export const withTimes = (sink: TreeSink, times: FileTimes): TreeSink => ({
  ...passingTo(sink),
  apply: (change) => sink.apply(times.made(change)),
  whole: (change, ...content) => sink.whole(times.written(change), ...content),
  open: (change) => sink.open(times.written(change)),
});
