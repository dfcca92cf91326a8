// The append-only log of one session: records in memory until they are on disk, then in files of a few MiB each.
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../errors.ts';
import { formatRecord } from '../../protocol/log-records.ts';
import type { FileRange, Gap } from '../../protocol/session-replies.ts';
import { LogTail } from './log-tail.ts';
import { LogTimes } from './log-times.ts';
import { type LogMark, Segment } from './segment.ts';

interface LogOptions {
  /** The path prefix of its files, to which a number is added. */
  readonly path: string;
  /** How large a file of the log may grow, in bytes. */
  readonly segmentBytes: number;
  /** How long a full disk is waited for, in ms. */
  readonly fullWaitMs: number;
  /** Whether there is room for what a reader of named files may be behind. */
  readonly mayRunAhead: () => boolean;
  /** Called with how much was written; drops segments if necessary. */
  readonly onWritten: (sizeBytes: number) => void;
  /** The disk is full: drops what can be dropped. */
  readonly onFull: () => void;
  /** Called once when the log cannot be written: what is not on disk stays in memory. */
  readonly onFailure: (error: Error) => void;
}

/** Some of the log, and where it continues. */
interface LogPart {
  /** Whole records. */
  readonly bytes: Buffer;
  readonly next: number;
}

/** How much of the data on disk stays in memory for readers that are close behind, in bytes. */
const tailBytes = 256 << 10;

/** How much a reader gets from disk at a time, in bytes; more than the largest record. */
const partBytes = 256 << 10;

/** How often a full disk is tried again, in ms. */
const fullPollMs = 200;

/** How much is collected for one write, in bytes, and for how long, in ms. */
const writeBytes = 1 << 20;
const gatherMs = 5;

export class SessionLog {
  readonly #options: LogOptions;
  readonly #tail: LogTail;
  readonly times = new LogTimes();
  #segments: Segment[] = [];
  #segmentCount = 0;
  /** The log begins here: what was before has been dropped. */
  #start: LogMark = { at: 0, stdout: 0, stderr: 0 };
  #writing: Promise<void> | undefined;
  #failed = false;
  #closed = false;
  #waiters: (() => void)[] = [];
  #diskWaiters: (() => void)[] = [];

  constructor(options: LogOptions) {
    this.#options = options;
    this.#tail = new LogTail(options.segmentBytes);
  }

  get end(): number {
    return this.#tail.end.at;
  }

  get backlogBytes(): number {
    return this.end - this.written;
  }

  /** The offset up to which it is on disk. */
  get written(): number {
    return this.#tail.written.at;
  }

  get mayRunAhead(): boolean {
    return this.#options.mayRunAhead();
  }

  get hasFailed(): boolean {
    return this.#failed;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Its oldest file, unless that is still written to. */
  get oldest(): Segment | undefined {
    const isOver = this.#closed && this.backlogBytes === 0;
    return this.#segments.length > 1 || isOver ? this.#segments[0] : undefined;
  }

  /** Adds a copy of the bytes. */
  append(kind: 'out' | 'err', payload: Buffer): void {
    this.times.add(this.end);
    this.#tail.append(kind, payload);
    this.#grown();
  }

  close(end: string): void {
    this.#closed = true;
    this.#tail.close(end);
    this.#grown();
  }

  #grown(): void {
    this.#waiters = resolved(this.#waiters);
    if (!this.#failed) this.#writing ??= this.#write();
  }

  /** Resolves when it has grown, or more of it is on disk. */
  async changed(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Resolves when more of it is on disk, or never will be. */
  async stored(): Promise<void> {
    await new Promise<void>((resolve) => this.#diskWaiters.push(resolve));
  }

  wake(): void {
    this.#waiters = resolved(this.#waiters);
    this.#diskWaiters = resolved(this.#diskWaiters);
  }

  /** Resolves when all is written, or cannot be. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #write(): Promise<void> {
    try {
      while (this.backlogBytes > 0) {
        await this.#gather();
        await this.#writeSome();
      }
    } catch (error) {
      this.#failed = true;
      this.#options.onFailure(error as Error);
    } finally {
      if (this.#closed || this.#failed) await this.#segments.at(-1)?.close();
      this.#writing = undefined;
      this.wake();
    }
  }

  /** Waits a little for more, so that writes are few and large. */
  async #gather(): Promise<void> {
    const soon = performance.now() + gatherMs;
    while (this.backlogBytes < writeBytes && !this.#closed && performance.now() < soon) {
      await sleep(1);
    }
  }

  async #writeSome(): Promise<void> {
    const part = this.#tail.unwritten(this.#options.segmentBytes);
    if (part === undefined) return;
    const { buffers, start, end } = part;
    await this.#patiently(async () => (await this.#segmentFor(start)).append(buffers));
    const isWhole = this.#closed && end.at === this.end;
    // Of a finished log, only the closing record stays in memory.
    this.#tail.wrote(end, isWhole ? end.at - 1 : end.at - tailBytes);
    this.#options.onWritten(end.at - start.at);
    this.wake();
  }

  /** Tries again for a while when the disk is full. */
  async #patiently(write: () => Promise<void>): Promise<void> {
    const deadline = performance.now() + this.#options.fullWaitMs;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        const isFull = isErrno(error, 'ENOSPC', 'EDQUOT');
        if (!isFull || performance.now() > deadline) throw error;
        this.#options.onFull();
        await sleep(fullPollMs);
      }
    }
  }

  async #segmentFor(mark: LogMark): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last?.end === mark.at && last.sizeBytes < this.#options.segmentBytes) return last;
    await last?.close();
    const path = `${this.#options.path}.${this.#segmentCount++}`;
    const segment = await Segment.create(path, mark);
    this.#segments.push(segment);
    return segment;
  }

  /** Drops that; returns how many bytes it frees. */
  dropOldest(): number {
    const segment = this.oldest;
    if (segment === undefined) return 0;
    this.#segments.shift();
    this.#start = this.#segments[0]?.start ?? this.#tail.start;
    this.times.dropBefore(this.#start.at);
    void segment.drop();
    return segment.sizeBytes;
  }

  /** The log from `offset`, which must be the start of a record; undefined at the end of the log. */
  async read(offset: number): Promise<LogPart | undefined> {
    const start = this.#start;
    if (offset < start.at) {
      const { stdout, stderr } = start;
      const gap: Gap = { from: offset, to: start.at, stdout, stderr };
      return { bytes: formatRecord('gap', JSON.stringify(gap)), next: start.at };
    }
    if (offset >= this.#tail.start.at) {
      const bytes = this.#tail.read(offset);
      return bytes && { bytes, next: offset + bytes.length };
    }
    const segment = this.#segments.find(({ end }) => offset < end);
    if (segment === undefined) return undefined;
    try {
      const bytes = await segment.read(offset, partBytes);
      return { bytes, next: offset + bytes.length };
    } catch (error) {
      // It may have been dropped meanwhile.
      if (offset < this.#start.at) return await this.read(offset);
      throw error;
    }
  }

  /** The file with the log after `offset`, and how far it reaches; undefined when there is none. */
  place(offset: number): FileRange | undefined {
    if (offset < this.#start.at) return undefined;
    return this.#segments.find(({ end }) => offset < end)?.rangeFrom(offset);
  }

  /** The offset of the record that holds `offset`, or the end. */
  async startOfRecord(offset: number): Promise<number> {
    if (offset >= this.end) return this.end;
    // Every reader gets a record for the dropped gap.
    if (offset <= this.#start.at) return offset;
    if (offset >= this.#tail.start.at) return this.#tail.startOfRecord(offset);
    const segment = this.#segments.find(({ end }) => offset < end);
    if (segment === undefined) return this.end;
    try {
      return await segment.startOfRecord(offset, partBytes);
    } catch (error) {
      // It may have been dropped meanwhile.
      if (offset < this.#start.at) return offset;
      throw error;
    }
  }
}

/** Calls all of them; returns a list for those to come. */
function resolved(waiters: readonly (() => void)[]): (() => void)[] {
  for (const resolve of waiters) resolve();
  return [];
}
