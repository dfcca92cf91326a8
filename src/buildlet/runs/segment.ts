// One file of a session's log: a sequence of complete records.
import { type FileHandle, open, rm } from 'node:fs/promises';
import { fileIdentity } from '../../files/file-identity.ts';
import { parseRecordHeader } from '../../protocol/log-records.ts';
import type { FileRange } from '../../protocol/session-replies.ts';

/** A position between two records: the log's offset and those of the streams. */
export interface LogMark {
  readonly at: number;
  readonly stdout: number;
  readonly stderr: number;
}

let created = 0;

export class Segment {
  readonly #path: string;
  readonly start: LogMark;
  /** Segments of all logs in order of creation. */
  readonly age = created++;
  #handle: FileHandle | undefined;
  sizeBytes = 0;

  private constructor(path: string, handle: FileHandle, start: LogMark) {
    this.#path = path;
    this.#handle = handle;
    this.start = start;
  }

  static async create(path: string, start: LogMark): Promise<Segment> {
    return new Segment(path, await open(path, 'wx', 0o600), start);
  }

  get end(): number {
    return this.start.at + this.sizeBytes;
  }

  /** Writes complete records. A failed write may be retried. */
  async append(buffers: readonly Buffer[]): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined) throw new Error('the segment is closed');
    const size = buffers.reduce((sum, { length }) => sum + length, 0);
    let left = buffers;
    for (let done = 0; done < size; ) {
      const { bytesWritten } = await handle.writev(left, this.sizeBytes + done);
      done += bytesWritten;
      if (done < size) left = [Buffer.concat(buffers).subarray(done)];
    }
    this.sizeBytes += size;
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async drop(): Promise<void> {
    await this.close();
    await rm(this.#path, { force: true });
  }

  /** The location of the written log from its offset `from`. */
  rangeFrom(from: number): FileRange {
    const path = this.#path;
    const at = from - this.start.at;
    return { path, identity: fileIdentity(path), at, bytes: this.sizeBytes - at };
  }

  /** The complete records from the log's offset `from`, at least one, about `limitBytes` in total. */
  async read(from: number, limitBytes: number): Promise<Buffer> {
    const sizeBytes = Math.min(limitBytes, this.end - from);
    const handle = await open(this.#path, 'r');
    try {
      const bytes = Buffer.allocUnsafe(sizeBytes);
      const { bytesRead } = await handle.read(bytes, 0, sizeBytes, from - this.start.at);
      return bytes.subarray(0, startOfRecord(bytes.subarray(0, bytesRead)));
    } finally {
      await handle.close();
    }
  }

  /** The offset of the record that holds `offset`. */
  async startOfRecord(offset: number, limitBytes: number): Promise<number> {
    let start = this.start.at;
    for (;;) {
      const part = await this.read(start, limitBytes);
      const inPart = offset - start;
      if (inPart < part.length) return start + startOfRecord(part, inPart);
      if (part.length === 0) return start;
      start += part.length;
    }
  }
}

/** The position in `bytes` of the record that contains `place`; by default, of the first incomplete one. */
export function startOfRecord(bytes: Buffer, place = bytes.length): number {
  for (let at = 0; ; ) {
    const newline = bytes.indexOf(10, at);
    const header =
      newline < 0 ? undefined : parseRecordHeader(bytes.toString('latin1', at, newline));
    if (header === undefined) return at;
    const next = newline + 1 + header.length;
    if (next > place) return at;
    at = next;
  }
}
