// Following the frames of chunked bodies, however they are cut on the way.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkScanner } from '../../../src/http/relay/chunk-scanner.ts';

/** Feeds the pieces; gives what may be passed on, and what is left once it is over. */
function feed(pieces: readonly Buffer[]) {
  const scanner = new ChunkScanner();
  const passed: Buffer[] = [];
  const left: Buffer[] = [];
  for (const next of pieces) {
    if (scanner.isOver) {
      left.push(next);
      continue;
    }
    // What is read into is used again.
    const memory = Buffer.from(next);
    const { piece, passable } = scanner.scan(memory);
    passed.push(Buffer.from(piece.subarray(0, passable)));
    if (scanner.isOver) left.push(Buffer.from(piece.subarray(passable)));
    memory.fill('#');
  }
  const { dataBytes, isOver } = scanner;
  return {
    passed: Buffer.concat(passed).toString('latin1'),
    left: String(Buffer.concat(left)),
    dataBytes,
    isOver,
  };
}

const frame = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;

/** The text cut at these places. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % text.length))].sort((a, b) => a - b);
  return [0, ...sorted].map((from, i) => Buffer.from(text.slice(from, sorted[i]), 'latin1'));
}

describe('a scanner of chunks', () => {
  it('passes on all frames but the last, wherever the pieces are cut', () => {
    const bodies = fc.array(fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }), {
      maxLength: 8,
    });
    const end = fc.constantFrom(
      '0\r\n\r\n',
      '0\r\nProcess-State: ok\r\n\r\n',
      '00\r\n\r\nHTTP/1.1 200 OK',
    );
    fc.assert(
      fc.property(bodies, end, fc.array(fc.nat(), { maxLength: 30 }), (parts, last, places) => {
        const frames = parts.map(frame).join('');
        expect(feed(cut(frames + last, places))).toEqual({
          passed: frames,
          left: last,
          dataBytes: parts.join('').length,
          isOver: true,
        });
      }),
    );
  });

  it('passes on every byte that has arrived, except for the beginning of a size', () => {
    const text = `${frame('first')}a\r\n01234`;
    expect(feed([Buffer.from(text)])).toMatchObject({ passed: text, isOver: false });
    expect(feed([Buffer.from(`${frame('first')}a\r`)])).toMatchObject({ passed: frame('first') });
  });

  it.each([
    '5;name=value\r\nhello\r\n',
    ' 5\r\nhello\r\n',
    '5 \r\nhello\r\n',
    '5\nhello\r\n',
    '+5\r\nhello\r\n',
    '0x5\r\nhello\r\n',
    'hello there',
    '10000000000000005\r\n',
    '\r\n',
  ])('leaves %j to a whole parser', (line) => {
    for (const pieces of [[line], [...line]]) {
      const found = feed([frame('before'), ...pieces].map((piece) => Buffer.from(piece)));
      expect(found).toMatchObject({ passed: frame('before'), left: line, isOver: true });
    }
  });

  it.each(['5\r\nhelloXX', '5\r\nhello\rX', '5\r\nhello\nX', '5\r\nhelloX\n'])(
    'fails at %j',
    (text) => {
      for (const pieces of [[text], [...text]]) {
        expect(() => feed(pieces.map((piece) => Buffer.from(piece)))).toThrow('does not end');
      }
    },
  );
});
