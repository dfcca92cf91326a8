import { describe, expect, it } from 'vitest';
import { OutputSearch } from '../../../src/cli/run/output-search.ts';
import { compileGoPattern } from '../../../src/go-pattern.ts';

const sizes = { partBytes: 100, sharedBytes: 20 };

const line = (n: number) => `line ${n} of the output\n`;

async function found(pattern: string, chunks: readonly string[]): Promise<boolean> {
  const search = new OutputSearch(await compileGoPattern('--until', pattern), sizes);
  for (const chunk of chunks) search.take(Buffer.from(chunk));
  return search.end();
}

const long = Array.from({ length: 50 }, (_, n) => line(n));

describe('a search in output that is longer than one piece', () => {
  it.each([
    ['^line 0 '],
    ['line 49 of the output\n$'],
    ['(?m)^line 7 of'],
    ['(?m)^line 31 of the output$'],
    ['the output\nline 20'],
  ])('finds %j', async (pattern) => {
    expect(await found(pattern, long)).toBe(true);
    expect(await found(pattern, [...long.join('')])).toBe(true);
  });

  it.each([['^line 7'], ['^the output'], ['line 50'], ['(?m)^of']])(
    'does not find %j',
    async (pattern) => {
      expect(await found(pattern, long)).toBe(false);
      expect(await found(pattern, [...long.join('')])).toBe(false);
    },
  );
});
