import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IgnorePatterns, ignoreLines } from '../../../src/sync/ignore/ignore-patterns.ts';
import { times } from '../../helpers/counts.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const ignores = (patterns: string, path: string, isDirectory = false) =>
  new IgnorePatterns(ignoreLines(patterns)).test(path, isDirectory);

describe('a pattern of an ignore file', () => {
  it.each<[patterns: string, path: string, expected: boolean | undefined]>([
    ['*.o', 'a/b.o', true],
    ['*.o', 'a/b.c', undefined],
    ['/top', 'top', true],
    ['/top', 'a/top', undefined],
    ['a/b', 'a/b', true],
    ['a/b', 'x/a/b', undefined],
    ['**/b', 'x/y/b', true],
    ['***/b', 'b', true],
    ['a/**', 'a/x/y', true],
    ['/**', 'a/x', true],
    ['a/**', 'a', undefined],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['*.o\n!keep.o', 'keep.o', false],
    ['# comment', '# comment', undefined],
    ['\\#file', '#file', true],
    ['\\!file', '!file', true],
    ['trailing  ', 'trailing', true],
    ['space\\ ', 'space ', true],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', undefined],
    ['[[:digit:]]', '7', true],
    ['[unclosed', '[unclosed', undefined],
    ['file\r\n', 'file', true],
  ])('%j matches %j: %j', (patterns, path, expected) => {
    expect(ignores(patterns, path)).toBe(expected);
  });

  it('that ends in a slash matches only directories', () => {
    expect(ignores('out/', 'out', true)).toBe(true);
    expect(ignores('out/', 'out', false)).toBeUndefined();
  });

  it('means what it means to git', () => {
    const root = temporaryDirectory();
    const git = (args: string[], input: string) =>
      execFileSync('git', args, { cwd: root, input, encoding: 'utf8' });
    git(['init', '-q'], '');
    const piece = fc.constantFrom(
      'a',
      'b',
      'ab',
      '*',
      '?',
      '**',
      '/',
      '[ab]',
      '[!a]',
      '\\*',
      '!',
      '#',
      '.',
      ' ',
      '-',
    );
    const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((list) => list.join(''));
    const element = fc.constantFrom('a', 'b', 'ab', 'ba', '*', '#', '!a', 'a.b', '-');
    const path = fc.array(element, { minLength: 1, maxLength: 3 }).map((list) => list.join('/'));
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 3 }),
        fc.uniqueArray(path, { minLength: 5, maxLength: 20 }),
        (patterns, paths) => {
          writeFileSync(join(root, '.gitignore'), `${patterns.join('\n')}\n`);
          let said = '';
          try {
            said = git(
              ['check-ignore', '--no-index', '--stdin', '-z', '-v', '-n'],
              `${paths.join('\0')}\0`,
            );
          } catch (error) {
            // Its status is 1 when nothing is ignored.
            said = (error as { stdout: string }).stdout;
          }
          const fields = said.split('\0');
          for (let at = 0; at + 3 < fields.length; at += 4) {
            const [, , found = '', asked = ''] = fields.slice(at, at + 4);
            const byGit = found !== '' && !found.startsWith('!');
            // git also looks at the directories above, as a walk would have before it came here.
            const parts = asked.split('/');
            const above = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
            const rules = new IgnorePatterns(ignoreLines(patterns.join('\n')));
            const byUs = above.some(
              (part, index) => rules.test(part, index < above.length - 1) === true,
            );
            expect({ patterns, asked, ignored: byUs }).toEqual({ patterns, asked, ignored: byGit });
          }
        },
      ),
      { numRuns: times(60, 1000) },
    );
  });
});
