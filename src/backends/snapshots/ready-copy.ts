// A copy of a snapshot that is unpacked ahead, so that the next buildlet of this machine gets it by a few renames. It is
// beside the archives, and given away once; then another one is unpacked from them, by a process that does nothing else.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError, isErrno } from '../../errors.ts';
import { lockHolder, takeFileLock } from '../../files/file-lock.ts';
import { ifThere } from '../../files/if-there.ts';
import {
  chmodSync,
  lstatSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from '../../files/named-fs.ts';
import { holdThroughLinks, type OpenDirectory } from '../../files/open-directory.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { nodePath } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import { unpackArchives } from './archives.ts';
import type { SnapshotStore } from './store.ts';

/** So many snapshots have a copy: those that were used last. */
const keptCopies = 3;
/** This fraction of the disk stays free: one part in N. */
const keptFree = 10;
/** Smaller snapshots are unpacked as quickly as a copy is made. */
const leastFiles = 1_000;
const leastBytes = 256 << 20;

const prefix = 'ready-';
const lockName = 'prepare.lock';
const pollMs = 20;
/** A process that makes one may be stopped. */
const patienceMs = 30_000;

/**
 * The name of a copy, with the boot of the system that has made it: a copy is not written to the disk, and may not be whole after
 * a loss of power. Undefined where the system does not tell its boot.
 */
function copyName(): string | undefined {
  try {
    return prefix + readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

/**
 * Moves the copy, if there is one, into an empty work directory. Returns whether it did. Waits for one that is being made:
 * that is done sooner than another one.
 */
export async function useReadyCopy(
  store: SnapshotStore,
  tag: string,
  workDir: string,
  signal: AbortSignal,
): Promise<boolean> {
  const name = copyName();
  if (name === undefined) return false;
  const ready = join(store.directory(tag), name);
  const lock = join(store.directory(tag), lockName);
  const deadline = Date.now() + patienceMs;
  while (
    !existsSync(ready) &&
    Date.now() < deadline &&
    (await lockHolder(lock).catch(() => undefined)) !== undefined
  ) {
    await sleep(pollMs, undefined, { signal });
  }
  const copy = store.partial('old');
  try {
    if (statSync(ready).dev !== statSync(workDir).dev) return false;
    // Of several at once, one gets it.
    renameSync(ready, copy);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
  try {
    moveEntries(copy, workDir);
  } finally {
    await removeTree(copy);
  }
  return true;
}

/** Moves what is in the directory, with its mode and its times, into one that there is. */
function moveEntries(from: string, to: string): void {
  const { atime, mtime, mode } = lstatSync(from);
  chmodSync(from, mode | 0o700);
  for (const entry of readdirSync(from)) moveEntry(join(from, entry), join(to, entry));
  chmodSync(to, mode & 0o7777);
  utimesSync(to, atime, mtime);
}

/**
 * Puts the entry where a new buildlet has nothing, or links to its caches. As of what is unpacked, a directory is merged with that
 * of its name, and takes the place of a link. One that its owner may not write to keeps its parent.
 */
function moveEntry(from: string, to: string): void {
  const stats = lstatSync(from);
  const found = lstatSync(to, { throwIfNoEntry: false });
  if (stats.isDirectory() && found?.isDirectory()) {
    moveEntries(from, to);
    return;
  }
  if (found?.isDirectory()) rmSync(to, { recursive: true });
  else if (found !== undefined) rmSync(to);
  const mode = stats.mode & 0o7777;
  const isClosed = stats.isDirectory() && (mode & 0o200) === 0;
  if (isClosed) chmodSync(from, mode | 0o200);
  renameSync(from, to);
  if (isClosed) chmodSync(to, mode);
}

/** Starts a detached process that unpacks a copy, if one is worthwhile. */
export function prepareLater(
  store: SnapshotStore,
  tag: string,
  environment: NodeJS.ProcessEnv,
): void {
  const name = copyName();
  const found = store.find(tag);
  if (name === undefined || found === undefined) return;
  if (found.files < leastFiles && found.bytes < leastBytes) return;
  if (existsSync(join(store.directory(tag), name))) return;
  const { HOME, PATH, XDG_STATE_HOME, XDG_CONFIG_HOME, XDG_CACHE_HOME } = environment;
  const program = join(packageRoot, 'bin/gomote.js');
  const child = spawn(nodePath(), [program, 'snapshot', 'prepare', tag], {
    cwd: '/',
    detached: true,
    stdio: 'ignore',
    env: { HOME, PATH, XDG_STATE_HOME, XDG_CONFIG_HOME, XDG_CACHE_HOME },
  });
  child.once('error', () => undefined);
  child.unref();
  try {
    if (child.pid !== undefined) setPriority(child.pid, 10);
  } catch {
    // It has ended.
  }
}

/**
 * Unpacks a copy, unless there is one.
 *
 * @throws GomoteError ERR_UNKNOWN_SNAPSHOT, ERR_CONFLICT while another process does it, ERR_QUOTA when the disk has too little
 * room, ERR_UNSUPPORTED for one of the kind `image`, and where copies cannot be kept.
 */
export async function prepareCopy(
  store: SnapshotStore,
  tag: string,
  signal: AbortSignal,
): Promise<void> {
  const { bytes, kind, backend } = store.get(tag);
  if (kind === 'image') {
    const message = `the snapshot "${tag}" has an image at ${backend}, and is not unpacked here`;
    throw new GomoteError('ERR_UNSUPPORTED', message, {
      hint: 'only snapshots of the kind "files" are prepared, for local buildlets',
    });
  }
  const name = copyName();
  if (name === undefined) {
    throw new GomoteError('ERR_UNSUPPORTED', 'snapshots are prepared on Linux only');
  }
  await store.sweep();
  // By what is held, a snapshot that takes the name of this one meanwhile does not get its copy.
  const snapshot = holdThroughLinks(store.directory(tag));
  try {
    const release = await takeFileLock(snapshot.at(lockName), {
      signal,
      onHeld: () => {
        throw new GomoteError('ERR_CONFLICT', `another gomote prepares the snapshot "${tag}"`);
      },
    });
    try {
      if (existsSync(snapshot.at(name))) return;
      for (const old of copiesIn(snapshot)) await discard(store, snapshot.at(old));
      await makeRoom(store, tag);
      checkSpace(store, bytes);
      await makeCopy(store, snapshot, name, signal);
    } finally {
      await release();
    }
  } finally {
    snapshot.close();
  }
}

async function makeCopy(
  store: SnapshotStore,
  snapshot: OpenDirectory,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const partial = store.partial('new');
  mkdirSync(partial, { mode: 0o700 });
  try {
    await unpackArchives(snapshot.self, partial, signal);
    renameSync(partial, snapshot.at(name));
  } catch (error) {
    await removeTree(partial);
    throw error;
  }
}

const copiesIn = (snapshot: OpenDirectory): string[] =>
  readdirSync(snapshot.self).filter((one) => one.startsWith(prefix));

/** Removes a copy; it is renamed first, so that nobody gets a part of it. */
async function discard(store: SnapshotStore, copy: string): Promise<void> {
  const old = store.partial('old');
  ifThere(() => renameSync(copy, old));
  await removeTree(old);
}

/** Removes the copies of snapshots that were not used recently. */
async function makeRoom(store: SnapshotStore, tag: string): Promise<void> {
  const others = store
    .list()
    .filter((one) => one.tag !== tag)
    .sort((a, b) => b.used.getTime() - a.used.getTime());
  for (const { tag: other } of others.slice(keptCopies - 1)) {
    const held = holdThroughLinks(store.directory(other));
    try {
      for (const copy of copiesIn(held)) await discard(store, held.at(copy));
    } finally {
      held.close();
    }
  }
}

function checkSpace(store: SnapshotStore, bytes: number): void {
  const { bavail, blocks, bsize } = statfsSync(store.root);
  if (bavail * bsize - bytes > (blocks * bsize) / keptFree) return;
  throw new GomoteError('ERR_QUOTA', 'the disk has too little room for a copy of the snapshot', {
    hint: 'remove something there; the snapshot can be used without it',
  });
}
