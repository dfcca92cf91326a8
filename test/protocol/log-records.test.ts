// The records of a log, as they are written and read.
import { describe, expect, it } from 'vitest';
import { formatRecord, RecordParser, recordHeader } from '../../src/protocol/log-records.ts';

const kinds = ['gap', 'end', 'file'] as const;

const parsed = (bytes: Buffer, pieceBytes = bytes.length) => {
  const parser = new RecordParser();
  const found = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    for (const piece of parser.push(bytes.subarray(at, at + pieceBytes))) {
      found.push(`${piece.kind} ${piece.bytes}`);
    }
  }
  return { found, position: parser.position };
};

describe.each(kinds)('a record "%s"', (kind) => {
  it.each([1, 7, 1000])('round-trips, in pieces of %i bytes', (pieceBytes) => {
    const record = formatRecord(kind, '{"a":1}');
    const { found, position } = parsed(record, pieceBytes);
    expect(found).toEqual([`${kind} {"a":1}`]);
    // Only the closing record has a place in the log.
    expect(position).toBe(kind === 'end' ? record.length : 0);
  });

  it('is refused with any byte of its content, or its check, changed', () => {
    const record = formatRecord(kind, '{"a":1}');
    const content = record.indexOf('{');
    for (let at = content; at < record.length; at++) {
      const damaged = Buffer.from(record);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(() => parsed(damaged)).toThrow(
        expect.objectContaining({ code: 'ERR_REPLY', message: expect.stringContaining('damaged') }),
      );
    }
    const unchecked = Buffer.from(`${recordHeader(kind, 0, 7)}{"a":1}`);
    expect(() => parsed(unchecked)).toThrow('damaged');
  });
});

it('a ping has no check, and no place in the log', () => {
  const ping = Buffer.from(recordHeader('ping', 0, 0));
  expect(parsed(Buffer.concat([ping, ping]))).toEqual({ found: ['ping ', 'ping '], position: 0 });
});

it('the check of a record is the CRC-32 of its bytes, as gzip has it', () => {
  expect(formatRecord('end', '123456789').toString()).toBe(`end ${0xcbf43926} 9\n123456789`);
});
