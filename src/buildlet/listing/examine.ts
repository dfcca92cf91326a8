// What system calls say of entries of a tree, and digests of files. The buildlet does this in two threads.
import { createHash, hash } from 'node:crypto';
import { closeSync, fstatSync, readSync, type Stats } from 'node:fs';
import { errnoOf, isErrno } from '../../errors.ts';
import { lstatSync, openSync } from '../../files/named-fs.ts';
import { readFlags } from '../../files/open-flags.ts';
import type { OpenTree } from '../../files/open-tree.ts';
import type { FileIdentity } from '../../tree/digest-cache.ts';

export interface Wanted {
  /** Its path in the tree. */
  readonly name: string;
  /** Whether to read it: it was a regular file when its directory was listed. */
  readonly reads: boolean;
}

export interface Facts extends FileIdentity {
  readonly mode: number;
  /** The SHA-1 of a file that was read, in lower-case hex. */
  readonly sha1?: string | undefined;
  /** When it was opened, by `Date.now()`. */
  readonly openedAtMs: number;
  /** Why it could not be read: an error code. */
  readonly unread?: string | undefined;
}

/** `gone`: nothing is there any more. Or why the entry cannot be examined: an error code. */
export type Examined = Facts | 'gone' | { readonly unread: string };

/** How long the event loop may be blocked, in ms. */
const turnMs = 5;

/** Synchronous, with a pause now and then: an asynchronous call for each file costs several times as much. */
export async function examine(
  tree: OpenTree,
  wanted: readonly Wanted[],
  pause: () => Promise<unknown>,
): Promise<Examined[]> {
  const found: Examined[] = [];
  let turnEndsAtMs = performance.now() + turnMs;
  const turn = async () => {
    if (performance.now() < turnEndsAtMs) return;
    await pause();
    turnEndsAtMs = performance.now() + turnMs;
  };
  for (const { name, reads } of wanted) {
    try {
      const seen = reads ? readFile(tree.at(name)) : factsOf(lstatSync(tree.at(name)));
      found.push('fd' in seen ? await readLarge(seen, turn) : seen);
    } catch (error) {
      found.push(isGone(error) ? 'gone' : { unread: codeOf(error) });
    }
    if (performance.now() >= turnEndsAtMs) await turn();
  }
  return found;
}

/** Whether there is something else, or nothing, at the path. */
export const isGone = (error: unknown): boolean => isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP');

export const codeOf = (error: unknown): string => errnoOf(error) ?? 'EIO';

export const isRegular = ({ mode }: Facts): boolean => (mode & 0o170000) === 0o100000;

function factsOf(stats: Stats, openedAtMs = 0, sha1?: string, unread?: string): Facts {
  const { mode, size, mtimeMs, ctimeMs, ino } = stats;
  return { mode, size, mtimeMs, ctimeMs, ino, openedAtMs, sha1, unread };
}

/** How much is read in one call. */
const pieceBytes = 256 << 10;
const buffer = Buffer.allocUnsafeSlow(pieceBytes);

/** A file that takes more than one call. */
interface LargeFile {
  readonly fd: number;
  readonly facts: Facts;
}

/**
 * The facts are those of the file before it is read: later changes show in its times. Only what stays a regular file is
 * read. Large files are left open.
 */
function readFile(at: string): Facts | LargeFile {
  const openedAtMs = Date.now();
  let fd: number;
  try {
    fd = openSync(at, readFlags);
  } catch (error) {
    const stats = lstatSync(at);
    return factsOf(stats, 0, undefined, stats.isFile() ? codeOf(error) : undefined);
  }
  let isOver = true;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return factsOf(stats);
    const got = stats.size < pieceBytes ? readSync(fd, buffer, 0, pieceBytes, 0) : pieceBytes;
    const isWhole = got === stats.size && got < pieceBytes;
    if (isWhole) return factsOf(stats, openedAtMs, hash('sha1', buffer.subarray(0, got)));
    isOver = false;
    return { fd, facts: factsOf(stats, openedAtMs) };
  } finally {
    if (isOver) closeSync(fd);
  }
}

async function readLarge({ fd, facts }: LargeFile, turn: () => Promise<void>): Promise<Facts> {
  try {
    const sum = createHash('sha1');
    for (let at = 0, got = -1; got !== 0; at += got) {
      got = readSync(fd, buffer, 0, pieceBytes, at);
      sum.update(buffer.subarray(0, got));
      await turn();
    }
    return { ...facts, sha1: sum.digest('hex') };
  } finally {
    closeSync(fd);
  }
}
