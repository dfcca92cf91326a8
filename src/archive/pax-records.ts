// The records of a PAX extended header. The tar package reads them line by line and loses a value that holds a
// newline, which a file's name may.
import { nameFromBytes } from '../protocol/name-bytes.ts';

export type PaxRecords = ReadonlyMap<string, Buffer>;

const space = 0x20;
const newline = 0x0a;

/** Reads `<length> <key>=<value>\n` repeated; undefined when it is anything else. */
export function parsePaxRecords(body: Buffer): PaxRecords | undefined {
  const records = new Map<string, Buffer>();
  for (let start = 0; start < body.length; ) {
    const gap = body.indexOf(space, start);
    const digits = gap < 0 ? '' : body.toString('latin1', start, Math.min(gap, start + 10));
    if (!/^[1-9][0-9]*$/.test(digits)) return undefined;
    const end = start + Number(digits);
    const equals = body.indexOf('=', gap);
    if (end > body.length || equals < 0 || equals >= end || body[end - 1] !== newline) {
      return undefined;
    }
    records.set(body.toString('utf8', gap + 1, equals), body.subarray(equals + 1, end - 1));
    start = end;
  }
  return records;
}

/** A record as text: undefined when absent or empty, which means "use the header's own". */
export function paxText(records: PaxRecords, key: string): string | undefined {
  const value = records.get(key);
  return value === undefined || value.length === 0 ? undefined : nameFromBytes(value);
}

/** A record as a number that is not NaN; undefined when absent. */
export function paxNumber(records: PaxRecords, key: string): number | undefined {
  const text = paxText(records, key);
  const number = text === undefined || !/^-?[0-9]+(\.[0-9]*)?$/.test(text) ? NaN : Number(text);
  return Number.isNaN(number) ? undefined : number;
}
