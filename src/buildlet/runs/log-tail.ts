// The newest part of a session's log, in memory: whole records one after another in a few large buffers, so that much
// of it goes to a reader or to disk in one write.
import { formatRecord, recordHeader } from '../../protocol/log-records.ts';
import { type LogMark, startOfRecord } from './segment.ts';

/** What is to be written to disk next. */
interface PendingWrite {
  readonly buffers: readonly Buffer[];
  readonly start: LogMark;
  readonly end: LogMark;
}

interface Slab {
  readonly start: LogMark;
  readonly bytes: Buffer;
  readonly madeAtMs: number;
  used: number;
  /** Whether a reader may still be sending it. */
  isLent: boolean;
}

/** The initial and the maximum size of buffers, in bytes. */
const leastBytes = 8 << 10;
const mostBytes = 512 << 10;

/** A buffer that fills within this time is followed by one of twice the size; otherwise by one of half the size. */
const quickMs = 50;
const slowMs = 500;

/** How many of the largest buffers are kept to be used again. For each new one, V8 may search its whole heap for garbage. */
const spareLimit = 16;

export class LogTail {
  readonly #mostBytes: number;
  readonly #slabs: Slab[] = [];
  /** Undefined once the log is closed. */
  #spare: Buffer[] | undefined = [];
  #end: LogMark = { at: 0, stdout: 0, stderr: 0 };
  #written = this.#end;

  /** @param limitBytes The maximum size of a buffer, unless a record needs more. */
  constructor(limitBytes: number) {
    this.#mostBytes = Math.min(limitBytes, mostBytes);
  }

  get start(): LogMark {
    return this.#slabs[0]?.start ?? this.#end;
  }

  get end(): LogMark {
    return this.#end;
  }

  /** Up to where it is on disk. */
  get written(): LogMark {
    return this.#written;
  }

  /** Adds a record, with a copy of its bytes. */
  append(kind: 'out' | 'err', payload: Buffer): void {
    const { at, stdout, stderr } = this.#end;
    const header = recordHeader(kind, kind === 'out' ? stdout : stderr, payload.length);
    const size = header.length + payload.length;
    const slab = this.#roomFor(size);
    slab.bytes.write(header, slab.used, 'latin1');
    payload.copy(slab.bytes, slab.used + header.length);
    slab.used += size;
    this.#end = {
      at: at + size,
      stdout: kind === 'out' ? stdout + payload.length : stdout,
      stderr: kind === 'err' ? stderr + payload.length : stderr,
    };
  }

  /** Adds the closing record, in a buffer of its own: it stays when the rest has gone. */
  close(text: string): void {
    const record = formatRecord('end', text);
    const bytes = Buffer.allocUnsafeSlow(record.length);
    record.copy(bytes);
    this.#slabs.push(slabOf(bytes, this.#end, bytes.length));
    this.#end = { ...this.#end, at: this.#end.at + bytes.length };
    this.#spare = undefined;
  }

  #roomFor(size: number): Slab {
    const last = this.#slabs.at(-1);
    if (last !== undefined && last.bytes.length - last.used >= size) return last;
    const bytes = Math.max(this.#nextBytes(last), size);
    const spare = bytes === this.#mostBytes ? this.#spare?.pop() : undefined;
    const slab = slabOf(spare ?? Buffer.allocUnsafeSlow(bytes), this.#end);
    this.#slabs.push(slab);
    return slab;
  }

  #nextBytes(last: Slab | undefined): number {
    if (last === undefined) return leastBytes;
    const tookMs = performance.now() - last.madeAtMs;
    const factor = tookMs < quickMs ? 2 : tookMs > slowMs ? 0.5 : 1;
    return Math.min(Math.max(last.bytes.length * factor, leastBytes), this.#mostBytes);
  }

  /** The next part that is not on disk, up to about this size; undefined when everything is. */
  unwritten(limitBytes: number): PendingWrite | undefined {
    const start = this.#written;
    const buffers: Buffer[] = [];
    let sizeBytes = 0;
    for (let i = this.#indexOf(start.at); i < this.#slabs.length; i++) {
      const slab = this.#slabs[i];
      if (slab === undefined) break;
      const bytes = slab.bytes.subarray(Math.max(0, start.at - slab.start.at), slab.used);
      if (sizeBytes > 0 && sizeBytes + bytes.length > limitBytes) {
        return { buffers, start, end: slab.start };
      }
      buffers.push(bytes);
      sizeBytes += bytes.length;
    }
    return sizeBytes === 0 ? undefined : { buffers, start, end: this.#end };
  }

  /** Records up to where it is on disk, and frees memory before `keepFrom`. */
  wrote(end: LogMark, keepFrom: number): void {
    this.#written = end;
    const limit = Math.min(keepFrom, end.at);
    while (this.#slabs[0] !== undefined && endOf(this.#slabs[0]) <= limit) {
      const { bytes, isLent } = this.#slabs[0];
      this.#slabs.shift();
      const isReusable = bytes.length === this.#mostBytes && !isLent;
      if (isReusable && this.#spare && this.#spare.length < spareLimit) this.#spare.push(bytes);
    }
  }

  /** The contiguous records from `offset`; undefined when there are none. */
  read(offset: number): Buffer | undefined {
    const slab = this.#slabs[this.#indexOf(offset)];
    if (slab === undefined) return undefined;
    slab.isLent = true;
    return slab.bytes.subarray(offset - slab.start.at, slab.used);
  }

  startOfRecord(offset: number): number {
    const slab = this.#slabs[this.#indexOf(offset)];
    if (slab === undefined) return this.#end.at;
    const { start, bytes, used } = slab;
    return start.at + startOfRecord(bytes.subarray(0, used), offset - start.at);
  }

  #indexOf(offset: number): number {
    const index = this.#slabs.findIndex((slab) => endOf(slab) > offset);
    return index < 0 ? this.#slabs.length : index;
  }
}

const endOf = ({ start, used }: Slab): number => start.at + used;

const slabOf = (bytes: Buffer, start: LogMark, used = 0): Slab => ({
  start,
  bytes,
  madeAtMs: performance.now(),
  used,
  isLent: false,
});
