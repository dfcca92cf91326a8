// The digest of a file, read once and remembered.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { openSync } from '../files/named-fs.ts';
import { readFlags } from '../files/open-flags.ts';
import type { DigestCache } from '../tree/digest-cache.ts';

const readInThread = promisify(read);

/** A file up to this size is read in one call, which is the fastest way. */
const smallBytes = 256 << 10;
const buffer = Buffer.allocUnsafe(smallBytes);

/** Reads the file and keeps its SHA-1, lower-case hex, under `key`, unless it changed meanwhile. */
export async function fileDigest(path: string, key: string, cache: DigestCache): Promise<string> {
  const fd = openSync(path, readFlags);
  try {
    const startedMs = Date.now();
    const before = fstatSync(fd);
    const hash = createHash('sha1');
    if (before.size < smallBytes) {
      const got = readSync(fd, buffer, 0, smallBytes, 0);
      hash.update(buffer.subarray(0, got));
    } else {
      const piece = Buffer.allocUnsafe(1 << 20);
      for (let at = 0, got = -1; got !== 0; at += got) {
        got = (await readInThread(fd, piece, 0, piece.length, at)).bytesRead;
        hash.update(piece.subarray(0, got));
      }
    }
    const digest = hash.digest('hex');
    const { size, mtimeMs, ctimeMs } = fstatSync(fd);
    const isUnchanged =
      size === before.size && mtimeMs === before.mtimeMs && ctimeMs === before.ctimeMs;
    if (isUnchanged) cache.remember(key, before, digest, startedMs);
    return digest;
  } finally {
    closeSync(fd);
  }
}
