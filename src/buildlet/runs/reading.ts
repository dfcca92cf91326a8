// The progress of one reader of a log, and what it gets next: records, or the name of the file that contains them.
import { formatRecord, formatTimes } from '../../protocol/log-records.ts';
import type { SessionLog } from './log.ts';

/** How far the log may be ahead of a reader of records, in bytes. */
const sentLagBytes = 256 << 10;

/** How far it may be ahead of what a reader of named files has confirmed, in bytes. */
export const namedLagBytes = 16 << 20;

/** How much is sent before files are named, in bytes: for short output, opening files is not worth it. */
const sentFirstBytes = 1 << 20;

/** Less than this, in bytes, is sent at once rather than named later. */
const leastNamedBytes = 64 << 10;

export interface Reader {
  /** The id of a client that sends heartbeats, and is considered dead without them. */
  readonly name: string | undefined;
  /** Whether it only observes: it neither slows the session nor keeps it alive. */
  readonly observes: boolean;
  /** The log before this offset is no longer needed for it. */
  readonly needsFrom: number;
  /** Whether the session must wait for it. */
  readonly isBehind: boolean;
  /** Records a sign of life, and that the reader has the log up to there. */
  heard(acknowledged: number): void;
}

export interface ReadingOptions {
  /** Whether the reader can open the log's files, so that much output may be named. */
  readonly named: boolean;
  /** Whether to report when the output was written. */
  readonly timed: boolean;
}

export class Reading {
  readonly #log: SessionLog;
  readonly #mayName: boolean;
  readonly #isTimed: boolean;
  #next: number;
  #sentBytes = 0;
  /** The end of what was named last. */
  #namedEnd = 0;
  #acknowledged: number;

  constructor(log: SessionLog, from: number, { named, timed }: ReadingOptions) {
    this.#log = log;
    this.#next = from;
    this.#acknowledged = from;
    this.#mayName = named;
    this.#isTimed = timed;
  }

  /** Whether the log is closed, and all of it has been sent to the reader. */
  get isOver(): boolean {
    const { isClosed, end } = this.#log;
    return isClosed && this.#next >= end && this.#acknowledged >= this.#namedEnd;
  }

  /** Whether nothing can be sent before the log changes. */
  get mustWait(): boolean {
    return this.#next === this.#log.end || this.#awaitsDisk;
  }

  /** Resolves when there may be something to send; call it at once when it must wait. */
  async change(): Promise<void> {
    await (this.#awaitsDisk ? this.#log.stored() : this.#log.changed());
  }

  get needsFrom(): number {
    return this.#namedEnd > 0 ? this.#acknowledged : this.#next;
  }

  get isBehind(): boolean {
    const lagBytes = this.#namedEnd > 0 ? namedLagBytes : sentLagBytes;
    return this.#log.end - this.needsFrom > lagBytes;
  }

  /** Records that the reader has the log up to there. Returns how far it can be. */
  heard(acknowledged: number): number {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(acknowledged, this.#next));
    return this.#acknowledged;
  }

  get #names(): boolean {
    const { hasFailed, mayRunAhead } = this.#log;
    return this.#mayName && this.#sentBytes >= sentFirstBytes && !hasFailed && mayRunAhead;
  }

  get #awaitsDisk(): boolean {
    const { end, written } = this.#log;
    const isMuch = end - this.#next >= leastNamedBytes;
    return this.#names && isMuch && written - this.#next < leastNamedBytes;
  }

  /** The next part; undefined when it must wait or has ended. */
  async part(): Promise<Buffer | undefined> {
    const from = this.#next;
    const part = await this.#part();
    if (part === undefined || !this.#isTimed) return part;
    return Buffer.concat([...formatTimes(this.#log.times.between(from, this.#next)), part]);
  }

  async #part(): Promise<Buffer | undefined> {
    const isNamed = this.#names && this.#log.written - this.#next >= leastNamedBytes;
    const range = isNamed ? this.#log.place(this.#next) : undefined;
    if (range !== undefined) {
      this.#next += range.bytes;
      this.#namedEnd = this.#next;
      return formatRecord('file', JSON.stringify(range));
    }
    if (this.#awaitsDisk) return undefined;
    const part = await this.#log.read(this.#next);
    if (part === undefined) return undefined;
    this.#next = part.next;
    this.#sentBytes += part.bytes.length;
    return part.bytes;
  }
}
