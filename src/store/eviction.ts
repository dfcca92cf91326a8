// Keeps a store below its size limit: the least recently used packs are removed first, of all processes.
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** More packs would make it slow to look for new ones. */
const maxPacks = 1_000;

interface Stored {
  bytes: number;
  usedMs: number;
}

/** Removes packs until the store is within the limit; returns its size then. */
export function evict(root: string, limitBytes: number): number {
  const packs = [...found(root)].sort(([, a], [, b]) => b.usedMs - a.usedMs);
  let bytes = 0;
  let isFull = false;
  packs.forEach(([stem, pack], index) => {
    isFull ||= bytes + pack.bytes > limitBytes || index >= maxPacks;
    if (isFull) removePack(stem);
    else bytes += pack.bytes;
  });
  return bytes;
}

/** The size of a store, in bytes. */
export const storedBytes = (root: string): number =>
  [...found(root).values()].reduce((sum, { bytes }) => sum + bytes, 0);

/** Removes the content first: a list without content is ignored. */
export function removePack(stem: string): void {
  for (const end of ['.pack', '.list']) {
    try {
      rmSync(stem + end, { force: true });
    } catch {
      // Retried by a later eviction.
    }
  }
}

/** All packs of all rooms, by path without extension. */
function found(root: string): Map<string, Stored> {
  const packs = new Map<string, Stored>();
  for (const room of namesIn(root)) {
    for (const name of namesIn(join(root, room))) {
      const [, stem = ''] = /^(.+)\.(?:pack|list)$/.exec(name) ?? [];
      const stats = lstatSync(join(root, room, name), { throwIfNoEntry: false });
      if (stem === '' || stats === undefined) continue;
      const key = join(root, room, stem);
      const pack = packs.get(key) ?? { bytes: 0, usedMs: 0 };
      packs.set(key, pack);
      pack.bytes += stats.size;
      pack.usedMs = Math.max(pack.usedMs, stats.mtimeMs);
    }
  }
  return packs;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
