// Content-defined chunks of a large file: equal parts of two versions give equal
// chunks, wherever they have moved to.
import { createHash, hash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { openSync } from '../files/named-fs.ts';
import { readFlags } from '../files/open-flags.ts';
import type { PatchPart } from '../protocol/tree-change.ts';

/** A chunk of a file. */
export interface Chunk {
  /** In bytes. */
  readonly length: number;
  /** 128 bits of SHA-256, hex. The digest of the whole file is the final check. */
  readonly id: string;
}

export interface Chunked {
  readonly chunks: readonly Chunk[];
  /** Of the whole file. */
  readonly sha256: string;
  readonly size: number;
}

const minBytes = 16 << 10;
const maxBytes = 512 << 10;
/** One position in 2¹⁶ is a boundary: chunks have about 80 KiB. */
const cutMask = 0xffff0000 | 0;
const readBytes = 8 << 20;
const chunkIdBytes = 16;

/** A number for each byte value, for a rolling hash over the last 32 bytes. */
const gear = Int32Array.from({ length: 256 }, (_, byte) =>
  hash('sha256', Uint8Array.of(byte), 'buffer').readInt32BE(),
);

/** Reads the file and splits it into chunks. Throws the errors of opening and reading. */
export function chunkFile(path: string): Chunked {
  const fd = openSync(path, readFlags);
  try {
    return chunkOpen(fd);
  } finally {
    closeSync(fd);
  }
}

function chunkOpen(fd: number): Chunked {
  const whole = createHash('sha256');
  const chunks: Chunk[] = [];
  const buffer = Buffer.allocUnsafe(readBytes);
  let size = 0;
  for (let kept = 0; ; ) {
    const got = readSync(fd, buffer, kept, readBytes - kept, null);
    whole.update(buffer.subarray(kept, kept + got));
    size += got;
    const filled = kept + got;
    let start = 0;
    // Near the end of the buffer, the buffer instead of the content could decide the boundary.
    while (start < filled && (got === 0 || filled - start >= maxBytes)) {
      const end = cutAfter(buffer, start, Math.min(filled, start + maxBytes));
      const bytes = buffer.subarray(start, end);
      chunks.push({
        length: bytes.length,
        id: hash('sha256', bytes, 'hex').slice(0, 2 * chunkIdBytes),
      });
      start = end;
    }
    if (got === 0) return { chunks, sha256: whole.digest('hex'), size };
    buffer.copyWithin(0, start, filled);
    kept = filled - start;
  }
}

function cutAfter(buffer: Buffer, start: number, limit: number): number {
  let sum = 0;
  // No boundary is possible before the minimum length: only the last 32 bytes before it matter.
  for (let at = start + minBytes - 32; at < limit; at++) {
    sum = ((sum << 1) + (gear[buffer[at] ?? 0] ?? 0)) | 0;
    if ((sum & cutMask) === 0 && at >= start + minBytes) return at + 1;
  }
  return limit;
}

/** `4 bytes of length, 16 of id` for each. */
export function encodeChunks(chunks: readonly Chunk[]): Buffer {
  const entryBytes = 4 + chunkIdBytes;
  const bytes = Buffer.alloc(chunks.length * entryBytes);
  chunks.forEach(({ length, id }, index) => {
    bytes.writeUInt32BE(length, index * entryBytes);
    bytes.write(id, index * entryBytes + 4, 'hex');
  });
  return bytes;
}

export function decodeChunks(bytes: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  const entryBytes = 4 + chunkIdBytes;
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    const id = bytes.toString('hex', at + 4, at + entryBytes);
    chunks.push({ length: bytes.readUInt32BE(at), id });
  }
  return chunks;
}

/** The new file as parts of the old one and new bytes. */
export function patchParts(old: readonly Chunk[], now: readonly Chunk[]): PatchPart[] {
  const places = new Map<string, number>();
  let offset = 0;
  for (const { id, length } of old) {
    if (!places.has(id)) places.set(id, offset);
    offset += length;
  }
  const parts: { at?: number; length: number }[] = [];
  for (const { id, length } of now) {
    const at = places.get(id);
    const last = parts.at(-1);
    const continues =
      last !== undefined &&
      (last.at === undefined ? at === undefined : last.at + last.length === at);
    if (continues) last.length += length;
    else parts.push(at === undefined ? { length } : { at, length });
  }
  return parts;
}
