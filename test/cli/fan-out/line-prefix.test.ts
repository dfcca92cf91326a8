import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { LinePrefixer, longestLine, PrefixedLines } from '../../../src/cli/fan-out/line-prefix.ts';

/** What comes out of the chunks, as text. */
function prefixed(chunks: readonly (string | Buffer)[]): string[] {
  const lines = new LinePrefixer('A| ');
  const parts = chunks.map((chunk) => lines.add(Buffer.from(chunk)));
  return [...parts, lines.end()].flatMap((part) => (part === undefined ? [] : [part.toString()]));
}

describe('a prefix before lines', () => {
  const cases: Record<string, { chunks: readonly string[]; gives: readonly string[] }> = {
    'stands before each line of a chunk': { chunks: ['a\nb\n'], gives: ['A| a\nA| b\n'] },
    'waits for the end of a line': {
      chunks: ['a', 'b', 'c\nd', '\n'],
      gives: ['A| abc\n', 'A| d\n'],
    },
    'gives the last line an end': { chunks: ['a\nb'], gives: ['A| a\n', 'A| b\n'] },
    'stands before empty lines': { chunks: ['\n\n'], gives: ['A| \nA| \n'] },
    'is not made of nothing': { chunks: [''], gives: [] },
    'leaves colours and returns as they are': {
      chunks: ['\u001b[31mred\u001b[0m\r\n', '1%\r2%\r'],
      gives: ['A| \u001b[31mred\u001b[0m\r\n', 'A| 1%\r2%\r\n'],
    },
    'is put in front of bytes that were cut within a character': {
      chunks: ['gr', 'ün\n'],
      gives: ['A| grün\n'],
    },
  };
  for (const [title, { chunks, gives }] of Object.entries(cases)) {
    it(title, () => expect(prefixed(chunks)).toEqual(gives));
  }

  it('keeps every byte of lines that arrive in chunks of any size', () => {
    const text = Array.from({ length: 500 }, (_, i) => `${i} ${'äx'.repeat(i % 40)}`).join('\n');
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, 7, 64, 1000]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      expect(prefixed(chunks).join('')).toBe(`${text}\n`.replaceAll(/^(?=.)/gm, 'A| '));
    }
  });

  it('prints an endless line in pieces of whole characters, and keeps no more than one piece', () => {
    const lines = new LinePrefixer('A| ');
    const chunk = Buffer.from('ü'.repeat(32 << 10)).subarray(0, (64 << 10) - 1);
    const rest = Buffer.from('ü').subarray(1);
    const out: Buffer[] = [];
    for (let i = 0; i < 16; i++) {
      for (const part of [chunk, rest]) out.push(lines.add(part) ?? Buffer.alloc(0));
    }
    out.push(lines.end() ?? Buffer.alloc(0));
    const text = Buffer.concat(out).toString();
    expect(lines.hasCut).toBe(true);
    expect(text).not.toContain('\ufffd');
    expect(text.replaceAll(/^A\| |\n/gm, '')).toBe('ü'.repeat(16 * (32 << 10)));
    const longest = Math.max(...text.split('\n').map((line) => Buffer.byteLength(line)));
    expect(longest).toBeLessThanOrEqual(longestLine + (64 << 10));
  });
});

it('lines of a stream respect backpressure', async () => {
  const taken: string[] = [];
  let release: () => void = () => undefined;
  const slow = new Writable({
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk.toString());
      release = () => done();
    },
  });
  const lines = new PrefixedLines(slow, 'A| ');
  const first = new Promise((resolve) => lines.write('a\n', resolve));
  let isSecondDone = false;
  lines.write('b\n', () => {
    isSecondDone = true;
  });
  expect(taken).toEqual(['A| a\n']);
  expect(isSecondDone).toBe(false);
  release();
  await first;
  release();
  await new Promise<void>((resolve) => lines.end(resolve));
  expect(taken).toEqual(['A| a\n', 'A| b\n']);
});
