// Compresses chunks on all processors, each into a gzip member with its checksum, or one after the other into one
// stream.
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { GomoteError } from '../errors.ts';
import type { Compression } from '../protocol/transfer.ts';
import { through } from './through.ts';
import { zstd } from './zstd.ts';

/** On a fast network a better level costs more time than it saves: three times as much at level 6. */
const fastestGzip = { level: 1 };
/** The level for a reader that is slower than compression: fewer bytes save it time. */
const betterGzip = { level: 6 };
/** The output buffer size: a stored chunk of a MiB fits, and so do most compressed ones. */
const storedChunkSize = (1 << 20) + (64 << 10);
const chunkSize = 256 << 10;
const stored = { level: 0, chunkSize: storedChunkSize };

/** Node's thread pool has four threads by default. */
const maxThreads = 4;
/** CRC-32 and length, the proof that a gzip member is whole. */
const trailerBytes = 8;

type Pieces = Iterable<Buffer> | AsyncIterable<Buffer>;

/**
 * Compresses the pieces, of at most a MiB each: into one zstd frame, or into gzip members, as many at a time as there
 * are processors; `none` stores them in such members. When the source fails, the output is not a complete stream
 * for any reader. Throws ERR_USAGE for zstd when this Node does not have it. `pace` is the initial estimate of the reader's speed.
 */
export function compressed(
  pieces: Pieces,
  compression: Compression,
  signal: AbortSignal | undefined,
  pace = new Pace(),
): AsyncGenerator<Buffer, void, void> {
  if (compression !== 'zstd') return members(pieces, compression === 'none', signal, pace);
  if (zstd !== undefined) return through(pieces, zstd.createCompress({ chunkSize }), signal);
  throw new GomoteError('ERR_USAGE', `Node ${process.versions.node} has no zstd`, {
    hint: 'use gzip, or Node 22.15 or later',
  });
}

/** All pieces in one gzip member. */
export const oneMember = (
  pieces: Pieces,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, void> => through(pieces, createGzip(fastestGzip), signal);

async function* members(
  pieces: Pieces,
  isStored: boolean,
  signal: AbortSignal | undefined,
  pace: Pace,
): AsyncGenerator<Buffer, void, void> {
  const threads = Math.min(availableParallelism(), maxThreads);
  const running: Promise<Buffer>[] = [];
  const oldest = async (): Promise<Buffer> => {
    const member = await running.shift();
    signal?.throwIfAborted();
    return member ?? Buffer.alloc(0);
  };
  let failure: { error: unknown } | undefined;
  try {
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      const level = isStored ? stored : pace.readerIsSlow ? betterGzip : fastestGzip;
      const member = promisify(gzip)(piece, { chunkSize, ...level });
      member.catch(() => {});
      running.push(member);
      if (running.length <= threads) continue;
      const next = await oldest();
      pace.ready();
      yield next;
      pace.taken();
    }
  } catch (error) {
    failure = { error };
  }
  // The last member is held back until the end: when reading failed it is sent truncated, as a complete one could look like
  // the end of the archive.
  while (running.length > 1) yield await oldest();
  signal?.throwIfAborted();
  const last = running.length > 0 ? await oldest() : Buffer.alloc(0);
  if (failure === undefined) yield last;
  else if (last.length > 0) yield last.subarray(0, -trailerBytes);
  if (failure !== undefined) throw failure.error;
}

/** How many members a running mean covers: a network buffers many at once, and then none for a while. */
const meanOver = 16;

/** Decides from the last few members whether the reader or the compression is slower. */
export class Pace {
  #lastAtMs = performance.now();
  /** The running means of the time to compress a member, and of the time until it is read. */
  #makingMs = 0;
  #takingMs: number;
  #readerIsSlow: boolean;

  /** `expectedMs`: how long a reader is expected to take for a member, as over a slow network. Default: no time. */
  constructor(expectedMs = 0) {
    this.#takingMs = expectedMs;
    this.#readerIsSlow = expectedMs > 0;
  }

  get readerIsSlow(): boolean {
    return this.#readerIsSlow;
  }

  ready(): void {
    this.#makingMs = this.#mean(this.#makingMs);
  }

  taken(): void {
    this.#takingMs = this.#mean(this.#takingMs);
    // Compressing for a slow reader takes longer: that alone does not make it a fast one.
    const bound = this.#readerIsSlow ? this.#makingMs / 2 : 2 * this.#makingMs;
    this.#readerIsSlow = this.#takingMs > bound;
  }

  #mean(before: number): number {
    const passedMs = performance.now() - this.#lastAtMs;
    this.#lastAtMs += passedMs;
    return before + (passedMs - before) / meanOver;
  }
}
