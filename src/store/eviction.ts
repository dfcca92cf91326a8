// Keeps a store below its size limit: the least recently used packs are removed first, of all processes.
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { type OpenDirectory, openDirectory } from '../files/open-directory.ts';

/** More packs would make it slow to look for new ones. */
const maxPacks = 1_000;

interface Stored {
  readonly room: string;
  readonly stem: string;
  bytes: number;
  usedMs: number;
}

/** Removes packs until the store is within the limit; returns its size then. */
export function evict(root: string, limitBytes: number): number {
  const packs = found(root).sort((a, b) => b.usedMs - a.usedMs);
  let bytes = 0;
  let isFull = false;
  packs.forEach((pack, index) => {
    isFull ||= bytes + pack.bytes > limitBytes || index >= maxPacks;
    if (isFull) inRoom(root, pack.room, (room) => removePack(room.at(pack.stem)));
    else bytes += pack.bytes;
  });
  return bytes;
}

/** The size of a store, in bytes. */
export const storedBytes = (root: string): number =>
  found(root).reduce((sum, { bytes }) => sum + bytes, 0);

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

/** All packs of all rooms. */
function found(root: string): Stored[] {
  const packs = new Map<string, Stored>();
  for (const room of namesIn(root)) {
    inRoom(root, room, (directory) => {
      for (const name of namesIn(directory.self)) {
        const [, stem = ''] = /^(.+)\.(?:pack|list)$/.exec(name) ?? [];
        const stats = lstatSync(directory.at(name), { throwIfNoEntry: false });
        if (stem === '' || stats === undefined) continue;
        const key = `${room}/${stem}`;
        const pack = packs.get(key) ?? { room, stem, bytes: 0, usedMs: 0 };
        packs.set(key, pack);
        pack.bytes += stats.size;
        pack.usedMs = Math.max(pack.usedMs, stats.mtimeMs);
      }
    });
  }
  return [...packs.values()];
}

/** In a container, commands can replace the directories of a store by links: those are not followed. */
function inRoom(root: string, room: string, use: (directory: OpenDirectory) => void): void {
  let top: OpenDirectory | undefined;
  let directory: OpenDirectory | undefined;
  try {
    top = openDirectory(root);
    directory = top.child(room);
    use(directory);
  } catch {
    // It is no directory, or has gone.
  } finally {
    directory?.close();
    top?.close();
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
