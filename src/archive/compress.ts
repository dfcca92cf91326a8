// One piece of a tar stream as a gzip member or zstd frame of its own, with its checksum.
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { GomoteError } from '../errors.ts';
import type { Compression } from '../protocol/transfer.ts';
import { zstd } from './zstd.ts';

export interface PieceCompressor {
  compress(piece: Buffer): Promise<Buffer>;
}

/** On a fast network a better level costs more time than it saves: three times as much at level 6. */
export const fastestGzip = { level: 1 };
const stored = { level: 0 };
/** Of the output, in one go: enough for a whole piece that cannot be compressed. */
const chunkSize = (1 << 20) + (64 << 10);

/** Throws ERR_USAGE for zstd when this Node does not have it. */
export function pieceCompressor(compression: Compression): PieceCompressor {
  if (compression === 'zstd') {
    if (zstd !== undefined) return zstd;
    throw new GomoteError('ERR_USAGE', `Node ${process.versions.node} has no zstd`, {
      hint: 'use gzip, or Node 22.15 or later',
    });
  }
  const options = { ...(compression === 'none' ? stored : fastestGzip), chunkSize };
  return { compress: async (piece) => await promisify(gzip)(piece, options) };
}
