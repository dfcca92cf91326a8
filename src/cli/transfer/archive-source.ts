// Converts an archive given to puttar to a format that a buildlet accepts, detected by its first bytes and not by its name.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { errnoOf, GomoteError } from '../../errors.ts';
import type { Compression } from '../../protocol/transfer.ts';
import { compressed } from '../../tar/compress.ts';

/** Magic numbers of compressed formats, and the programs that decompress them. */
const compressors = [
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], program: 'xz' },
  { magic: [0x42, 0x5a, 0x68], program: 'bzip2' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], program: 'zstd' },
  { magic: [0x4c, 0x5a, 0x49, 0x50], program: 'lzip' },
  { magic: [0x04, 0x22, 0x4d, 0x18], program: 'lz4' },
  // Written by compress(1).
  { magic: [0x1f, 0x9d], program: 'gzip' },
] as const;
const gzipMagic = [0x1f, 0x8b];
const blockBytes = 512;
const pieceBytes = 256 << 10;
const ignore = (): void => undefined;

interface ArchiveOptions {
  /** The archive's name as typed; `-` is standard input. */
  readonly file: string;
  readonly takesZstd: () => Promise<boolean>;
  readonly compression: () => Promise<Compression>;
  readonly signal: AbortSignal;
}

/**
 * Returns the archive in a format that the buildlet accepts: gzip unchanged, zstd unchanged where the buildlet supports it; another
 * format is decompressed by its program, and compressed again. Throws ERR_ARCHIVE when it is not a tar archive, or
 * when that program is not installed.
 */
export async function* archiveToSend(
  source: AsyncIterable<Uint8Array>,
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array> {
  const given = await Peeked.at(source);
  const packer = compressors.find(({ magic }) => begins(given.head, magic));
  const isTaken = packer?.program === 'zstd' && (await options.takesZstd());
  if (isTaken || begins(given.head, gzipMagic)) return yield* given.all();
  let tar = given;
  try {
    if (packer !== undefined) tar = await Peeked.at(unpacked(given.all(), packer, options));
    if (!isTarHeader(tar.head)) throw notTar(options.file, given.head.length === 0);
    yield* compressed(inPieces(tar.all()), await options.compression(), options.signal);
  } finally {
    tar.close();
    given.close();
  }
}

const begins = (head: Buffer, magic: readonly number[]): boolean =>
  magic.every((byte, at) => head[at] === byte);

class Peeked {
  /** At least the first block, or all of a shorter source. */
  readonly head: Buffer;
  readonly #rest: AsyncIterator<Uint8Array>;

  private constructor(head: Buffer, rest: AsyncIterator<Uint8Array>) {
    this.head = head;
    this.#rest = rest;
  }

  static async at(source: AsyncIterable<Uint8Array>): Promise<Peeked> {
    const rest = source[Symbol.asyncIterator]();
    let head = Buffer.alloc(0);
    while (head.length < blockBytes) {
      const next = await rest.next();
      if (next.done) break;
      head = Buffer.concat([head, next.value]);
    }
    return new Peeked(head, rest);
  }

  async *all(): AsyncGenerator<Uint8Array> {
    yield this.head;
    yield* { [Symbol.asyncIterator]: () => this.#rest };
  }

  /** Not awaited: a source that waits for its next piece would not return before that. */
  close(): void {
    Promise.resolve(this.#rest.return?.()).catch(ignore);
  }
}

/** Whether it is the first block of a tar archive of any kind: its checksum is right, or the archive is empty. */
function isTarHeader(head: Buffer): boolean {
  if (head.length < blockBytes) return false;
  const block = head.subarray(0, blockBytes);
  const stated = Number.parseInt(block.toString('latin1', 148, 156).replaceAll('\0', ' '), 8);
  const spaces = 8 * 0x20;
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0 : byte), spaces);
  return stated === sum || block.every((byte) => byte === 0);
}

const shown = (file: string): string => (file === '-' ? 'standard input' : `"${file}"`);

function notTar(file: string, isEmpty: boolean): GomoteError {
  return new GomoteError(
    'ERR_ARCHIVE',
    isEmpty ? `${shown(file)} is empty` : `${shown(file)} is not a tar archive`,
    { hint: 'give a .tar, also compressed with gzip, xz, bzip2 or zstd; gomote put sends a file' },
  );
}

async function* unpacked(
  source: AsyncIterable<Uint8Array>,
  { program }: (typeof compressors)[number],
  { file, signal }: ArchiveOptions,
): AsyncGenerator<Buffer> {
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'pipe'], signal });
  let lost: { error: unknown } | undefined;
  async function* read() {
    try {
      yield* source;
    } catch (error) {
      lost = { error };
      throw error;
    }
  }
  const fed = pipeline(read(), child.stdin);
  const said = text(child.stderr);
  const ended = once(child, 'close');
  // Each is awaited below, except after some failures.
  for (const promise of [fed, said, ended]) promise.catch(ignore);
  try {
    yield* child.stdout;
    const [code] = await ended;
    if (lost !== undefined) throw lost.error;
    if (code === 0) return await fed;
    const [line = 'it failed'] = (await said).trim().split('\n');
    throw new GomoteError(
      'ERR_ARCHIVE',
      `${shown(file)} cannot be unpacked by ${program}: ${line}`,
      {
        hint: 'make the archive again',
      },
    );
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new GomoteError(
      'ERR_ARCHIVE',
      `${shown(file)} is compressed with ${program}, which is not installed here`,
      { hint: `install ${program}, or give a .tar or .tar.gz`, cause: error },
    );
  } finally {
    child.kill();
  }
}

/** Collects pieces into chunks that are large enough to compress separately. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    length += chunk.length;
    if (length < pieceBytes) continue;
    yield Buffer.concat(chunks);
    [chunks, length] = [[], 0];
  }
  yield Buffer.concat(chunks);
}
