// The changes of a directory of a buildlet, by comparing one listing of it with the next.
import { checkedDurationMs } from '../client/time-limit.ts';
import type { DirEntry } from '../protocol/listing.ts';

/** A change of one path. */
export interface FileChange {
  /** Whether the path is new, is something else than before, or is gone. */
  readonly kind: 'added' | 'changed' | 'removed';
  /** Relative to the directory that is watched. */
  readonly path: string;
}

/** The delay between two listings, in ms, and the longest one of a timer. */
const [defaultIntervalMs, longestMs] = [1_000, 2 ** 31 - 1];

export function watchInterval(intervalMs: number | undefined): number {
  return Math.min(checkedDurationMs('intervalMs', intervalMs) ?? defaultIntervalMs, longestMs);
}

/** First the existing entries, as added; then the differences of each listing to the one before. */
export async function* changesOf(
  list: () => Promise<readonly DirEntry[]>,
  pause: () => Promise<void>,
): AsyncGenerator<FileChange, void> {
  let before = new Map<string, string>();
  for (;;) {
    const now = new Map((await list()).map(({ name, line }) => [name, line]));
    for (const [path, line] of now) {
      const last = before.get(path);
      if (last === undefined) yield { kind: 'added', path };
      else if (last !== line) yield { kind: 'changed', path };
    }
    for (const path of before.keys()) if (!now.has(path)) yield { kind: 'removed', path };
    before = now;
    await pause();
  }
}
