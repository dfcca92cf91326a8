import { describe, expect, it } from 'vitest';
import { LineSearch } from '../../../src/buildlet/runs/line-search.ts';
import { compileGoPattern } from '../../../src/go-pattern.ts';

const searchFor = async (pattern: string) =>
  new LineSearch(await compileGoPattern('--break', pattern));

/** Of each chunk, whether a line of it matched. */
async function found(pattern: string, ...chunks: string[]): Promise<boolean[]> {
  const search = await searchFor(pattern);
  return chunks.map((chunk) => search.take('out', Buffer.from(chunk)));
}

describe('a line search', () => {
  it.each<[string, string, string[], boolean[]]>([
    ['a line', '^FAIL: ', ['ok\nFAIL: x\nok\n'], [true]],
    ['a line across chunks', 'FAIL', ['ok F', 'AI', 'L ', '\n'], [false, false, true, false]],
    ['a prompt without an end', 'word: $?', ['Password: '], [true]],
    [
      'the end of a line not before it has come',
      'err$',
      ['err', 'or\n', 'err', '\n'],
      [false, false, false, true],
    ],
    [
      'a whole word not before it has ended',
      '\\berr\\b',
      ['err', 'or err', ' '],
      [false, false, true],
    ],
    ['what is not there not before the line has ended', 'err[^o]', ['err', 'or\n'], [false, false]],
    ['the end of a line with a carriage return', 'err$', ['err\r\n'], [true]],
    ['an empty line', '^$', ['a', '\n', '\n'], [false, false, true]],
    ['each line by itself', 'a\\s+b', ['a\nb\n'], [false]],
    ['a character torn into bytes', '^é$', ['\n'], [false]],
    ['a line once', 'x', ['x', 'x', 'x\n', 'x\n'], [true, false, false, true]],
  ])('finds %s', async (_, pattern, chunks, wanted) => {
    expect(await found(pattern, ...chunks)).toEqual(wanted);
  });

  it('joins characters that are split between chunks', async () => {
    const search = await searchFor('^é$');
    const taken = [...Buffer.from('é\n')].map((byte) => search.take('out', Buffer.from([byte])));
    expect(taken).toEqual([false, false, true]);
  });

  it('keeps the streams separate', async () => {
    const search = await searchFor('ab');
    expect(search.take('out', Buffer.from('a'))).toBe(false);
    expect(search.take('err', Buffer.from('b\n'))).toBe(false);
    expect(search.take('out', Buffer.from('b\n'))).toBe(true);
  });

  it('keeps little of an endless line, and knows that it began long ago', async () => {
    const search = await searchFor('^x|ab');
    expect(search.take('out', Buffer.alloc(1 << 20, '-'))).toBe(false);
    for (let i = 0; i < 20; i++) {
      expect(search.take('out', Buffer.from('x'.repeat(1_000)))).toBe(false);
    }
    expect(search.take('out', Buffer.from('a'))).toBe(false);
    expect(search.take('out', Buffer.from('b'))).toBe(true);
    expect(search.take('out', Buffer.from('\nx'))).toBe(true);
  });

  it('takes time in proportion to the output, whatever the pattern', async () => {
    const search = await searchFor('(a*)*(a|aa)+$');
    expect(search.take('out', Buffer.from(`${'a'.repeat(4_000)}b\n`))).toBe(false);
  });
});
