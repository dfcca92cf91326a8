// The records of a session's log, the same on disk and on the wire: `KIND OFFSET LENGTH\n` and LENGTH bytes.
import { GomoteError } from '../errors.ts';

/**
 * `out` and `err` carry output, `gap` and `end` JSON. On the wire only, without an offset in the log: `ping`, which counts
 * for nothing; `file`, which names in JSON the file with the next records; `time`, which says when the next output was
 * written; and `state`, which says whether the command is stopped.
 */
type RecordKind = 'out' | 'err' | 'gap' | 'end' | 'ping' | 'file' | 'time' | 'state';

export interface RecordPiece {
  readonly kind: RecordKind;
  /** The stream's offset of `bytes`; meaningless for other records. */
  readonly offset: number;
  /** A part of an `out` or `err` record; all of any other. */
  readonly bytes: Buffer;
}

/** The longest header line, in bytes: the kind, two numbers of 16 digits, the spaces and the line's end. */
const headerLimitBytes = 40;

/** The longest record that is not output, in bytes. */
const metaLimitBytes = 1 << 20;

export const recordHeader = (kind: RecordKind, offset: number, length: number): string =>
  `${kind} ${offset} ${length}\n`;

/** A record that is not output. In place of an offset it has a checksum. */
export function formatRecord(
  kind: 'gap' | 'end' | 'file' | 'time' | 'state',
  payload: string,
): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from(recordHeader(kind, checkOf(bytes), bytes.length)), bytes]);
}

/** The maximum number of times in one record, which keeps it short. */
const momentsAtOnce = 16_384;

/** Records that say when output was written: from which offset of the log on, and when, in ms since 1970. */
export function* formatTimes(times: readonly (readonly [number, number])[]): Generator<Buffer> {
  for (let i = 0; i < times.length; i += momentsAtOnce) {
    yield formatRecord('time', JSON.stringify(times.slice(i, i + momentsAtOnce)));
  }
}

/**
 * Their CRC-32, as gzip has it: output is proved by the closing record, and that by this. Node's own takes longer to load
 * than these few bytes to check.
 */
function checkOf(bytes: Buffer): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** Reads a header line without its end; undefined when it is not one. */
export function parseRecordHeader(
  line: string,
): { kind: RecordKind; offset: number; length: number } | undefined {
  const match = /^(out|err|gap|end|ping|file|time|state) ([0-9]{1,16}) ([0-9]{1,16})$/.exec(line);
  const [offset, length] = [Number(match?.[2]), Number(match?.[3])];
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return undefined;
  return { kind: match?.[1] as RecordKind, offset, length };
}

/** Parses a log incrementally, from chunks of any size. */
export class RecordParser {
  /** The log offset of the current record: where to resume after a cut. */
  position: number;
  #header = '';
  #record: { kind: RecordKind; offset: number; left: number } | undefined;
  #held: Buffer[] = [];
  /** The size of the current record. */
  #sizeBytes = 0;

  constructor(position = 0) {
    this.position = position;
  }

  /** Drops the record in progress: the log is read again from `position`, or from another offset. */
  restart(position = this.position): void {
    this.position = position;
    this.#header = '';
    this.#record = undefined;
    this.#held = [];
  }

  /** The records and parts in `chunk`. Throws ERR_REPLY when it is not part of a log. */
  *push(chunk: Buffer): Generator<RecordPiece, void, undefined> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#record === undefined) {
        at = this.#readHeader(chunk, at);
        if (this.#isComplete()) yield* this.#end();
        continue;
      }
      const bytes = chunk.subarray(at, at + this.#record.left);
      at += bytes.length;
      const { kind, offset } = this.#record;
      this.#record.left -= bytes.length;
      if (kind === 'out' || kind === 'err') {
        this.#record.offset += bytes.length;
        yield { kind, offset, bytes };
      } else {
        // The chunk's memory may be used for the next.
        this.#held.push(Buffer.from(bytes));
      }
      if (this.#isComplete()) yield* this.#end();
    }
  }

  #isComplete(): boolean {
    return this.#record?.left === 0;
  }

  #readHeader(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(10, at);
    const end = newline < 0 ? chunk.length : newline;
    this.#header += chunk.toString('latin1', at, Math.min(end, at + headerLimitBytes));
    if (newline < 0 && this.#header.length < headerLimitBytes) return end;
    const header = parseRecordHeader(this.#header);
    const isOutput = header?.kind === 'out' || header?.kind === 'err';
    if (header === undefined || (!isOutput && header.length > metaLimitBytes)) {
      throw new GomoteError('ERR_REPLY', `not a log's record: ${JSON.stringify(this.#header)}`);
    }
    this.#sizeBytes = this.#header.length + 1 + header.length;
    this.#header = '';
    this.#record = { kind: header.kind, offset: header.offset, left: header.length };
    return end + 1;
  }

  *#end(): Generator<RecordPiece, void, undefined> {
    const record = this.#record;
    this.#record = undefined;
    if (record === undefined) return;
    const { kind } = record;
    if (kind === 'out' || kind === 'err' || kind === 'end') this.position += this.#sizeBytes;
    if (kind === 'out' || kind === 'err') return;
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    if (kind !== 'ping' && checkOf(bytes) !== record.offset) {
      throw new GomoteError('ERR_REPLY', `the log's record "${kind}" is damaged`);
    }
    yield { kind, offset: record.offset, bytes };
  }
}
