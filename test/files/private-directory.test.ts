import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  checkDirectory,
  hasPrivateDirectory,
  makePrivateDirectory,
} from '../../src/files/private-directory.ts';
import { readOwnFile, readSecretFile } from '../../src/files/private-file.ts';
import { cacheDirectory, homeDirectory, userDirectory } from '../../src/files/user-directories.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasRoot } from '../helpers/tools.ts';

const isRoot = hasRoot();
const nobody = 65_534;

/** Each makes something below a private directory that is not fit to be `top/a/b`, and says what the message names. */
const unfit: Record<string, (top: string) => string> = {
  'a file': (top) => {
    mkdirSync(join(top, 'a'));
    writeFileSync(join(top, 'a/b'), '');
    return 'is not a directory';
  },
  'a link to a directory': (top) => {
    mkdirSync(join(top, 'a'));
    mkdirSync(join(top, 'real'), { mode: 0o700 });
    symlinkSync(join(top, 'real'), join(top, 'a/b'));
    return 'is a symbolic link';
  },
  'a dangling link': (top) => {
    mkdirSync(join(top, 'a'));
    symlinkSync(join(top, 'nowhere'), join(top, 'a/b'));
    return 'is a symbolic link';
  },
  'open to its group': (top) => {
    mkdirSync(join(top, 'a/b'), { recursive: true });
    chmodSync(join(top, 'a/b'), 0o750);
    return 'is open to others';
  },
  'a directory of the sticky kind': (top) => {
    mkdirSync(join(top, 'a/b'), { recursive: true });
    chmodSync(join(top, 'a/b'), 0o1777);
    return 'can be changed by others';
  },
  'below one that others write to': (top) => {
    mkdirSync(join(top, 'a'));
    chmodSync(join(top, 'a'), 0o777);
    mkdirSync(join(top, 'a/b'), { mode: 0o700 });
    return 'can be changed by others';
  },
  'below one that its group writes to': (top) => {
    mkdirSync(join(top, 'a'));
    chmodSync(join(top, 'a'), 0o770);
    return 'can be changed by others';
  },
  'below a link into a directory that others write to': (top) => {
    mkdirSync(join(top, 'open'));
    chmodSync(join(top, 'open'), 0o777);
    symlinkSync('open', join(top, 'a'));
    return 'can be changed by others';
  },
  'below links that never end': (top) => {
    symlinkSync('a', join(top, 'a'));
    return 'is a symbolic link';
  },
};

const ofAnotherUser: Record<string, (top: string) => string> = {
  'of another user': (top) => {
    mkdirSync(join(top, 'a'));
    mkdirSync(join(top, 'a/b'), { mode: 0o700 });
    chownSync(join(top, 'a/b'), nobody, nobody);
    return 'belongs to another user';
  },
  'below one of another user': (top) => {
    mkdirSync(join(top, 'a'));
    mkdirSync(join(top, 'a/b'), { mode: 0o700 });
    chownSync(join(top, 'a'), nobody, nobody);
    return 'belongs to another user';
  },
  'of another user in a sticky directory': (top) => {
    mkdirSync(join(top, 'a'));
    chmodSync(join(top, 'a'), 0o1777);
    mkdirSync(join(top, 'a/b'), { mode: 0o700 });
    chownSync(join(top, 'a/b'), nobody, nobody);
    return 'belongs to another user';
  },
};

describe('a private directory', () => {
  it('is made with those above it, for its user alone', () => {
    const path = join(temporaryDirectory(), 'a/b/c');
    const umask = process.umask(0);
    try {
      makePrivateDirectory(path, 'the state');
    } finally {
      process.umask(umask);
    }
    for (const made of [path, join(path, '..'), join(path, '../..')]) {
      expect(statSync(made).mode & 0o777).toBe(0o700);
    }
    expect(hasPrivateDirectory(path, 'the state')).toBe(true);
    makePrivateDirectory(path, 'the state');
  });

  it('that does not exist is not made by a check', () => {
    const path = join(temporaryDirectory(), 'a/b');
    expect(hasPrivateDirectory(path, 'the state')).toBe(false);
    expect(existsSync(join(path, '..'))).toBe(false);
  });

  it('may be in a sticky directory, and behind a link of its user', () => {
    const top = temporaryDirectory();
    mkdirSync(join(top, 'shared'));
    chmodSync(join(top, 'shared'), 0o1777);
    symlinkSync('shared', join(top, 'link'));
    makePrivateDirectory(join(top, 'link/x'), 'the state');
    expect(statSync(join(top, 'shared/x')).mode & 0o777).toBe(0o700);
  });

  it.each(Object.entries(unfit))('cannot be %s', (_, make) => {
    const top = temporaryDirectory();
    const reason = make(top);
    const expected = { code: 'ERR_CONFIG', message: expect.stringContaining(reason) };
    const path = join(top, 'a/b');
    expect(() => makePrivateDirectory(path, 'the state')).toThrow(
      expect.objectContaining(expected),
    );
  });

  it.runIf(isRoot).each(Object.entries(ofAnotherUser))('cannot be %s', (_, make) => {
    const top = temporaryDirectory();
    const reason = make(top);
    const expected = { code: 'ERR_CONFIG', message: expect.stringContaining(reason) };
    const path = join(top, 'a/b');
    expect(() => makePrivateDirectory(path, 'the state')).toThrow(
      expect.objectContaining(expected),
    );
    expect(() => hasPrivateDirectory(path, 'the state')).toThrow(expect.objectContaining(expected));
  });

  it.each(['', 'relative/x', './x'])('cannot be at the relative path %j', (path) => {
    expect(() => makePrivateDirectory(path, 'the state')).toThrow('is not an absolute path');
  });

  it('below /proc cannot be made, and the attempt ends', () => {
    expect(() => makePrivateDirectory('/proc/nosuch/x', 'the state')).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: expect.stringMatching(/^the state \/proc\/nosuch\/x: \S+ cannot be used: /),
      }),
    );
  });
});

describe('a directory of the user', () => {
  it('may be readable by others, and may be a link', () => {
    const top = temporaryDirectory();
    mkdirSync(join(top, 'real'), { mode: 0o755 });
    symlinkSync('real', join(top, 'link'));
    const rule = { what: 'the configuration', access: 'readable', links: 'anywhere' } as const;
    expect(checkDirectory(join(top, 'link'), rule)).toBe(true);
    chmodSync(join(top, 'real'), 0o757);
    expect(() => checkDirectory(join(top, 'link'), rule)).toThrow('can be changed by others');
  });
});

describe('the cache directory', () => {
  it('is made below the directory of caches', () => {
    const top = temporaryDirectory();
    const path = cacheDirectory({ XDG_CACHE_HOME: join(top, 'cache') }, 'code');
    expect(path).toBe(join(top, 'cache/gomote/code'));
    expect(lstatSync(join(top, 'cache/gomote/code')).isDirectory()).toBe(true);
  });

  it.each<[string, (top: string) => NodeJS.ProcessEnv]>([
    ['a relative HOME', () => ({ HOME: 'x' })],
    ['an empty HOME', () => ({ HOME: '' })],
    ['a relative XDG_CACHE_HOME', () => ({ XDG_CACHE_HOME: 'x' })],
    ['a directory below /proc', () => ({ XDG_CACHE_HOME: '/proc/nosuch' })],
    [
      'a link on the way',
      (top) => {
        mkdirSync(join(top, 'real'));
        symlinkSync('real', join(top, 'link'));
        return { XDG_CACHE_HOME: join(top, 'link') };
      },
    ],
    [
      'a directory that others write to',
      (top) => {
        mkdirSync(join(top, 'cache'));
        chmodSync(join(top, 'cache'), 0o777);
        return { XDG_CACHE_HOME: join(top, 'cache') };
      },
    ],
  ])('is not used with %s', (_, make) => {
    expect(cacheDirectory(make(temporaryDirectory()), 'code')).toBeUndefined();
  });
});

describe('the directories of the environment', () => {
  it('are the home directory of the user database without HOME', () => {
    expect(homeDirectory({})).toMatch(/^\//);
  });

  it.each([
    [{ HOME: '' }, 'HOME is empty'],
    [{ HOME: 'x' }, 'HOME "x" is not an absolute path'],
    [{ HOME: '/nosuch' }, 'HOME /nosuch does not exist'],
    [{ HOME: '/dev/null' }, 'HOME /dev/null is not a directory'],
    [{ HOME: '/home/me', XDG_STATE_HOME: 'x' }, 'XDG_STATE_HOME "x" is not an absolute path'],
  ])('are refused for %j', (environment, message) => {
    expect(() => userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state')).toThrow(message);
  });
});

describe('a file of the user', () => {
  it('is read only if it is a file that no other user can write', () => {
    const top = temporaryDirectory();
    const path = join(top, 'f');
    writeFileSync(path, 'x', { mode: 0o600 });
    expect(readOwnFile(path)).toBe('x');
    symlinkSync('f', join(top, 'link'));
    expect(() => readOwnFile(join(top, 'link'))).toThrow('ELOOP');
    expect(() => readOwnFile(top)).toThrow('is not a file');
    for (const mode of [0o666, 0o620, 0o602]) {
      chmodSync(path, mode);
      expect(() => readOwnFile(path)).toThrow('can be changed by others');
    }
  });

  it.runIf(isRoot)('of another user is refused', () => {
    // Not below the test's own directory, which another user cannot enter.
    const top = mkdtempSync('/tmp/gomote-test-');
    onTestFinished(() => rmSync(top, { recursive: true, force: true }));
    const path = join(top, 'f');
    writeFileSync(path, 'x', { mode: 0o600 });
    chownSync(path, nobody, nobody);
    for (const read of [readOwnFile, readSecretFile]) {
      expect(() => read(path)).toThrow('belongs to another user');
    }
  });

  it('with a secret is refused when others can read it', () => {
    const top = temporaryDirectory();
    const path = join(top, 'f');
    writeFileSync(path, 'x', { mode: 0o600 });
    symlinkSync('f', join(top, 'link'));
    expect(readSecretFile(join(top, 'link'))).toBe('x');
    for (const mode of [0o644, 0o640, 0o604, 0o602]) {
      chmodSync(path, mode);
      expect(() => readSecretFile(join(top, 'link'))).toThrow('can be read by others');
    }
  });
});
