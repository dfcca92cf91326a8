// The records of a PAX extended header. The tar package reads them line by line and loses a value that holds a
// newline, which is allowed in file names.
import { nameFromBytes } from '../protocol/name-bytes.ts';

export type PaxRecords = ReadonlyMap<string, Buffer>;

const space = 0x20;
const newline = 0x0a;

/** The keys that are used; the rest is dropped. */
const wanted = /^(?:path|linkpath|size|mtime|GNU\.sparse\..*)$/;
/** Repeated in one header: the parts of a sparse file. They are returned as one record, `GNU.sparse.map`. */
const repeated = ['GNU.sparse.offset', 'GNU.sparse.numbytes'];

/**
 * Reads `<length> <key>=<value>\n` repeated; undefined when it is anything else. The values are copies: what they came in may
 * be used again.
 */
export function parsePaxRecords(body: Buffer): PaxRecords | undefined {
  const records = new Map<string, Buffer>();
  const parts: string[] = [];
  for (let start = 0; start < body.length; ) {
    const gap = body.indexOf(space, start);
    const digits = gap < 0 ? '' : body.toString('latin1', start, Math.min(gap, start + 10));
    if (!/^[1-9][0-9]*$/.test(digits)) return undefined;
    const end = start + Number(digits);
    const equals = body.indexOf('=', gap);
    if (end > body.length || equals < 0 || equals >= end || body[end - 1] !== newline) {
      return undefined;
    }
    const key = body.toString('utf8', gap + 1, equals);
    const value = body.subarray(equals + 1, end - 1);
    if (repeated.includes(key)) parts.push(value.toString('latin1'));
    else if (wanted.test(key)) records.set(key, Buffer.from(value));
    start = end;
  }
  if (parts.length > 0) records.set('GNU.sparse.map', Buffer.from(parts.join(',')));
  return records;
}

/** A record as text: undefined when absent or empty, which means "use the header's own". */
export function paxText(records: PaxRecords, key: string): string | undefined {
  const value = records.get(key);
  return value === undefined || value.length === 0 ? undefined : nameFromBytes(value);
}

/** A record as a number: undefined when absent or empty, NaN when it is not a number. */
export function paxNumber(records: PaxRecords, key: string): number | undefined {
  const text = paxText(records, key);
  if (text === undefined) return undefined;
  return /^-?[0-9]+(\.[0-9]*)?$/.test(text) ? Number(text) : Number.NaN;
}
