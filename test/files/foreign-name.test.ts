import { describe, expect, it } from 'vitest';
import { hasGitDirectory, whyRefused } from '../../src/files/foreign-name.ts';

const spellings = [
  '.git',
  '.GIT',
  '.Git',
  '.gIt',
  '.gi\u200ct',
  '.g\u200dit',
  '\ufeff.git',
  '.git\u200e',
  '.\u200fgit',
  '.g\u202ait',
  '.g\u202eit',
  '.gi\u206at',
  '.gi\u206ft',
  '.gi\u00adt',
  '.g\u2060it',
  'git~1',
  'GIT~1',
  'git~2',
  '.git.',
  '.git ',
  '.git . .',
  '.git...',
  '.git:$DATA',
  '.git::$INDEX_ALLOCATION',
  '.GIT::$index_allocation',
  '.git :x',
  'git~1::$INDEX_ALLOCATION',
  '.gıt',
  '．git',
];

describe('a name that some file system takes for .git', () => {
  it.each(spellings.map((name) => [JSON.stringify(name), name]))('is refused: %s', (_, name) => {
    for (const path of [name, `${name}/hooks/pre-commit`, `a/b/${name}/config`, `a\\${name}\\x`]) {
      expect([path, hasGitDirectory(path)]).toEqual([path, true]);
      expect(whyRefused(path, 'linux')).toMatch(/\.git/);
    }
  });

  it.each([
    '.gitignore',
    '.gitattributes',
    '.github/workflows/x.yml',
    'git',
    'x.git',
    'x.git/config',
    '.git-x',
    '.gits',
    'git~x',
    'digit~1',
    'a.git.b',
    '.gitmodules',
    'name with spaces é 漢',
    'C#/F#/x~',
    'a:b',
    'con',
    'back\\slash',
  ])('is not %s', (path) => {
    expect(whyRefused(path, 'linux')).toBeUndefined();
  });
});

describe('a name from another machine', () => {
  it.each([
    '',
    '/etc/passwd',
    'a//b',
    './a',
    '../x',
    'a/..',
    'a/../../x',
    'a/.',
    'a/',
    'nul\0byte',
  ])('is refused if it is no path below a directory: %j', (path) => {
    expect(whyRefused(path, 'linux')).toMatch(/not a path/);
  });

  it.each([
    '.gomote',
    '.gomote/push/x',
    '.GOMOTE/push/x',
    '.gomote-push-0123abcd-00112233',
    'a/.gomote-0123456789abcdef',
    'a/.gomote-pull-Ab12Cd',
  ])('is refused if it is one of ours: %s', (path) => {
    expect(whyRefused(path, 'linux')).toMatch(/reserved/);
  });

  it.each(['a/.gomote', '.gomoteignore', '.gomote.toml', '.gomote-x', 'gomote/push'])(
    'is accepted if it only resembles one of ours: %s',
    (path) => {
      expect(whyRefused(path, 'linux')).toBeUndefined();
    },
  );

  it.each([
    'con',
    'a/NUL.txt',
    'aux.c',
    'com1',
    'LPT9.log',
    'COM¹',
    'a:b',
    'a?',
    'end.',
    'end ',
    'a\\b',
  ])('is refused on Windows if Windows has no such name: %s', (path) => {
    expect(whyRefused(path, 'win32')).toMatch(/Windows/);
    expect(whyRefused(path, 'linux')).toBeUndefined();
  });
});
