// What is shown of long output, and how a log is read by offsets and patterns.
import { describe, expect, it } from 'vitest';
import { Excerpt } from '../../../src/cli/mcp/excerpt.ts';
import { LogWindow } from '../../../src/cli/mcp/log-window.ts';
import { MatchingLines } from '../../../src/cli/mcp/matching-lines.ts';
import { safeText } from '../../../src/cli/mcp/safe-text.ts';
import { compileGoPattern } from '../../../src/go-pattern.ts';

const numbered = (count: number, special: Record<number, string> = {}) =>
  Array.from({ length: count }, (_, i) => `${special[i] ?? `line ${i}`}\n`).join('');

/** As it may come: in pieces of any size. */
function inPieces(text: string, sizeBytes: number, take: (piece: Buffer) => void): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += sizeBytes) take(bytes.subarray(at, at + sizeBytes));
}

describe('an excerpt', () => {
  it.each([1, 7, 1000, 1 << 20])('of short output is all of it, in pieces of %i', (size) => {
    const excerpt = new Excerpt(1000);
    const text = `${numbered(30)}no newline`;
    inPieces(text, size, (piece) => excerpt.take(piece));
    const { parts, totalBytes } = excerpt.shown();
    expect(totalBytes).toBe(text.length);
    expect(parts.map(({ bytes }) => bytes.toString())).toEqual([text]);
  });

  it.each([1, 100, 1 << 20])(
    'has the beginning, failures with their surroundings, and the end, in pieces of %i',
    (size) => {
      const text = numbered(1000, { 500: 'x.c:1: error: bad', 700: 'FAIL TestX' });
      const excerpt = new Excerpt(1000);
      inPieces(text, size, (piece) => excerpt.take(piece));
      const { parts } = excerpt.shown();
      const shown = parts.map(({ bytes }) => bytes.toString());
      expect(shown[0]).toMatch(/^line 0\n/);
      expect(shown[1]).toBe(
        'line 498\nline 499\nx.c:1: error: bad\nline 501\nline 502\nline 503\nline 504\n',
      );
      expect(shown[2]).toContain('FAIL TestX');
      expect(shown.at(-1)).toMatch(/\nline 999\n$/);
      for (const { from, to, bytes } of parts) {
        expect(text.slice(from, to)).toBe(bytes.toString());
      }
    },
  );

  it('holds no more than its budget, and counts the failures that it does not show', () => {
    const excerpt = new Excerpt(1000);
    for (let i = 0; i < 1000; i++) excerpt.take(Buffer.from(`error ${i}\n`));
    excerpt.take(Buffer.alloc(1 << 20, 'x'));
    const { parts, totalBytes, hiddenFailures } = excerpt.shown();
    const shownBytes = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(shownBytes).toBeLessThan(1000 + 2048);
    expect(totalBytes).toBe(9890 + (1 << 20));
    expect(hiddenFailures).toBeGreaterThan(900);
  });

  it('keeps the offsets of what follows dropped output, and counts what was dropped', () => {
    const excerpt = new Excerpt(1000);
    excerpt.take(Buffer.from('one\ntw'));
    excerpt.skip(1_000_000);
    excerpt.take(Buffer.from('three\n'));
    excerpt.skip(50);
    const { parts, totalBytes, droppedBytes } = excerpt.shown();
    expect(parts.map(({ from, to, bytes }) => [from, to, bytes.toString()])).toEqual([
      [0, 6, 'one\ntw'],
      [1_000_006, 1_000_012, 'three\n'],
    ]);
    expect({ totalBytes, droppedBytes }).toEqual({
      totalBytes: 1_000_062,
      droppedBytes: 1_000_050,
    });
  });

  it('of nothing is empty, and a budget of 0 shows nothing of what has ended', () => {
    const nothing = { parts: [], totalBytes: 0, droppedBytes: 0, hiddenFailures: 0 };
    expect(new Excerpt(1000).shown()).toEqual(nothing);
    const excerpt = new Excerpt(0);
    excerpt.take(Buffer.from('one\ntwo\n'));
    expect(excerpt.shown()).toMatchObject({ parts: [], totalBytes: 8 });
  });
});

describe('a window of a log', () => {
  const cases: ReadonlyArray<[offset: number, limit: number, text: string[], next?: number]> = [
    [0, 100, ['0123456789']],
    [0, 4, ['0123'], 4],
    [4, 4, ['4567'], 8],
    [8, 4, ['89']],
    [10, 4, []],
    [50, 4, []],
    [-3, 100, ['789']],
    [-6, 2, ['45'], 6],
    [-50, 100, ['0123456789']],
  ];
  it.each(cases)('is right at %i, %i bytes', (offset, limit, lines, next) => {
    for (const size of [1, 3, 100]) {
      const window = new LogWindow({ offset, limit });
      inPieces('0123456789', size, (piece) => window.take(piece));
      expect(window.shown()).toEqual({ lines, next, totalBytes: 10 });
    }
  });
});

describe('a part of a log that has dropped output', () => {
  // 0123, then four bytes that are gone, then 89ab.
  const cases: [number, number, string[], number?][] = [
    [0, 2, ['01'], 2],
    [0, 4, ['0123'], 4],
    [0, 100, ['0123'], 8],
    [4, 100, ['[dropped up to offset 8]', '89ab']],
    [6, 2, ['[dropped up to offset 8]', '89'], 10],
    [8, 100, ['89ab']],
    [9, 2, ['9a'], 11],
    [-2, 100, ['ab']],
    [-100, 100, ['89ab']],
  ];
  it.each(cases)('at %i, %i bytes, keeps the true offsets', (offset, limit, lines, next) => {
    for (const size of [1, 3, 100]) {
      const window = new LogWindow({ offset, limit });
      inPieces('0123', size, (piece) => window.take(piece));
      window.skip(4);
      inPieces('89ab', size, (piece) => window.take(piece));
      expect(window.shown()).toEqual({ lines, next, totalBytes: 12 });
    }
  });

  it('has no more when its end was dropped', () => {
    const window = new LogWindow({ offset: 5, limit: 10 });
    window.take(Buffer.from('0123'));
    window.skip(4);
    expect(window.shown()).toEqual({ lines: [], next: undefined, totalBytes: 8 });
  });

  it('has matching lines at their true offsets', async () => {
    const lines = new MatchingLines(await compileGoPattern('grep', '.'), { offset: 0, limit: 100 });
    lines.take(Buffer.from('a\nb'), 'stdout');
    lines.skip(10, 'stdout');
    lines.take(Buffer.from('c\nd\n'), 'stdout');
    expect(lines.shown()).toMatchObject({
      lines: ['0: a', '2: b', '13: c', '15: d'],
      totalBytes: 17,
    });
  });
});

describe('the lines of a log that match', () => {
  it('have their offsets, also when two outputs are mixed', async () => {
    const lines = new MatchingLines(await compileGoPattern('grep', 'e'), { offset: 0, limit: 100 });
    lines.take(Buffer.from('on'), 'stdout');
    lines.take(Buffer.from('err\nx\n'), 'stderr');
    lines.take(Buffer.from('e\ntwo\nthree'), 'stdout');
    expect(lines.shown().lines).toEqual(['2: err', '0: one', '14: three']);
  });

  it('continue where the previous answer was full', async () => {
    const pattern = await compileGoPattern('grep', '9$');
    const text = numbered(100);
    const found: string[] = [];
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const lines = new MatchingLines(pattern, { offset, limit: 30 });
      inPieces(text, 13, (piece) => lines.take(piece, 'stdout'));
      const shown = lines.shown();
      found.push(...shown.lines);
      offset = shown.next;
    }
    expect(found).toHaveLength(10);
    for (const line of found) {
      const [, at, rest] = /^(\d+): (.*)$/.exec(line) ?? [];
      expect(text.slice(Number(at))).toMatch(new RegExp(`^${rest}\n`));
    }
  });
});

describe('text of a machine', () => {
  it.each([
    ['a\tb\nc', 'a\tb\nc'],
    ['\u001b[1;31mred\u001b[m', 'red'],
    ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
    ['50%\r100%\r\ndone', '50%\\r100%\ndone'],
    ['a\u202eb\u200bc\u0000', 'a\\u202eb\\u200bc\\x00'],
    ['x'.repeat(20_000), 'x'.repeat(20_000)],
  ])('%j is shown as %j', (given, shown) => {
    expect(safeText(given)).toBe(shown);
  });
});
