// How far one reader of a log is, and what it gets next: records, or the name of the file that holds them.
import { formatRecord, formatTimes } from '../../protocol/log-records.ts';
import type { SessionLog } from './log.ts';

/** How far the log may be ahead of a reader that records are sent to, in bytes. */
const sentLagBytes = 256 << 10;

/** How far it may be ahead of what a reader has said to have, to which files are named, in bytes. */
export const namedLagBytes = 16 << 20;

/** As much is sent first, in bytes: for short output, files are not worth opening. */
const sentFirstBytes = 1 << 20;

/** Less than this, in bytes, is sent at once rather than named once it is on disk. */
const leastNamedBytes = 64 << 10;

export interface Reader {
  /** Given by a client that will be heard from, and is taken for dead when it is not. */
  readonly name: string | undefined;
  /** Whether it neither slows the session nor keeps it alive. */
  readonly observes: boolean;
  /** What lies before it in the log is not needed for it any more. */
  readonly needsFrom: number;
  /** Whether the session is to wait for it. */
  readonly isBehind: boolean;
  /** It was heard from, and has the log up to there. */
  heard(acknowledged: number): void;
}

export interface ReadingOptions {
  /** Whether the reader can open the log's files: they are named to it then, once there is much. */
  readonly named: boolean;
  /** Whether it is told when the output was written. */
  readonly timed: boolean;
}

export class Reading {
  readonly #log: SessionLog;
  readonly #mayName: boolean;
  readonly #isTimed: boolean;
  /** The log's offset of what comes next. */
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

  /** Whether the reader has the whole log, which is closed, or what it has not is on its way. */
  get isOver(): boolean {
    const { isClosed, end } = this.#log;
    return isClosed && this.#next >= end && this.#acknowledged >= this.#namedEnd;
  }

  /** Whether there is nothing to give before the log has changed. */
  get mustWait(): boolean {
    return this.#next === this.#log.end || this.#awaitsDisk;
  }

  /** Resolves when there may be something to give; to be called at once when it must wait. */
  async change(): Promise<void> {
    await (this.#awaitsDisk ? this.#log.stored() : this.#log.changed());
  }

  /** What lies before it in the log is not needed for the reader any more. */
  get needsFrom(): number {
    return this.#namedEnd > 0 ? this.#acknowledged : this.#next;
  }

  /** Whether the session is to wait for it. */
  get isBehind(): boolean {
    const lagBytes = this.#namedEnd > 0 ? namedLagBytes : sentLagBytes;
    return this.#log.end - this.needsFrom > lagBytes;
  }

  /** The reader has the log up to there; returns how far it can have. */
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

  /** What comes next; undefined when it has to wait or is over. */
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
