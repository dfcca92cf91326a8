// The digests of a tree's files: remembered by what tells whether a file has changed, else read.
import { createHash, hash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { isErrno } from '../errors.ts';
import { openSync } from '../files/named-fs.ts';
import { readFlags } from '../files/open-flags.ts';
import { atIn, shownIn, type TreeTop } from '../files/open-tree.ts';
import type { DigestAlgorithm, TreeEntry } from '../protocol/tree-entry.ts';
import { isOfOneEntry, localFileError } from '../tar/archive-error.ts';
import type { DigestCache } from './digest-cache.ts';
import type { FoundEntry } from './tree-walk.ts';

const pieceBytes = 1 << 20;

/** The digest of a file of the tree, in lower-case hex; undefined when it has gone. Throws ERR_LOCAL_FILE. */
export function digestOfFile(
  top: TreeTop,
  path: string,
  algorithm: DigestAlgorithm,
): string | undefined {
  try {
    const fd = openSync(atIn(top, path), readFlags);
    try {
      return digestOfOpen(fd, algorithm);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw localFileError(shownIn(top, path), error);
  }
}

function digestOfOpen(fd: number, algorithm: DigestAlgorithm): string {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  const first = readSync(fd, buffer, 0, pieceBytes, null);
  if (first < pieceBytes) return hash(algorithm, buffer.subarray(0, first), 'hex');
  const digest = createHash(algorithm);
  for (let got = first; got > 0; got = readSync(fd, buffer, 0, pieceBytes, null)) {
    digest.update(buffer.subarray(0, got));
  }
  return digest.digest('hex');
}

/** The key of a file in a cache of digests. */
export const digestKey = (algorithm: DigestAlgorithm, path: string): string =>
  `${algorithm} ${path}`;

/** The entries with the digests of their files; one that goes meanwhile, and so has no digest, is left out. */
export function withDigests(
  found: readonly FoundEntry[],
  digestOf: (entry: FoundEntry) => string | undefined,
): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (const entry of found) {
    const digest = readable(() => digestOf(entry));
    if (digest !== undefined) entries.push(digest === '' ? entry : { ...entry, digest });
  }
  return entries;
}

/** An entry that cannot be read is listed anyway: reading it fails with the reason. */
function readable(read: () => string | undefined): string | undefined {
  try {
    return read();
  } catch (error) {
    if (isOfOneEntry(error)) return '';
    throw error;
  }
}

/** Empty for anything but a file; undefined when it has gone. */
export function digestOf(
  top: TreeTop,
  entry: FoundEntry,
  algorithm: DigestAlgorithm,
  cache: DigestCache,
): string | undefined {
  if (entry.kind !== 'file') return '';
  const key = digestKey(algorithm, shownIn(top, entry.path));
  const known = cache.lookup(key, entry);
  if (known !== undefined) return known;
  const startedAtMs = Date.now();
  const digest = digestOfFile(top, entry.path, algorithm);
  if (digest !== undefined) cache.remember(key, entry, digest, startedAtMs);
  return digest;
}
