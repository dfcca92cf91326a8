// One odd entry of a tree: it is named, and the rest is done.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { sharedBuildlet, startBuildlet, type TestBuildlet } from '../helpers/buildlet.ts';
import { type Cli, testCli } from '../helpers/cli.ts';
import { at } from '../helpers/odd-names.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const nobody = 65534;

// Root may read everything. The process is this file's own.
beforeAll(() => {
  if (process.getuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(nobody);
  process.setuid?.(nobody);
});

interface Odd {
  /** Makes it in a tree. */
  make(top: string): void;
  /** What its message says; undefined where it is nothing odd to both ends. */
  readonly said?: string;
  /** The same of a push to the base protocol, a push in a git tree, a pull. */
  readonly toBase?: string;
  readonly inGit?: string;
  readonly pulled?: string;
  /** Whether it is named only. */
  readonly isNone?: boolean;
}

const write = (top: string, path: string, content = 'x'): void => {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), content);
};
const shut = (path: string, mode: number, holds?: string) => (top: string) => {
  write(top, holds ?? path);
  chmodSync(join(top, path), mode);
};
const denied = (path: string) => `${path}: permission denied`;
const badName = 'the buildlet takes no name with a backslash, tab or newline';

const odds: Record<string, Odd> = {
  'a directory that is shut': { make: shut('m/shut', 0o000, 'm/shut/f'), said: denied('m/shut') },
  'a directory that is listed only': { make: shut('m/s', 0o444, 'm/s/f'), said: denied('m/s') },
  'a directory that is entered only': { make: shut('m/s', 0o111, 'm/s/f'), said: denied('m/s') },
  'a file that is shut': { make: shut('m/s', 0o000), said: denied('m/s'), pulled: 'm/s: ' },
  'a FIFO': {
    make: (top) => void execFileSync('mkfifo', [join(top, 'mfifo')]),
    said: 'neither a file, a directory nor a link: mfifo',
    isNone: true,
  },
  'a link that leads out': {
    make: (top) => symlinkSync('/etc/passwd', join(top, 'mlink')),
    said: 'mlink: the link to /etc/passwd leads out',
    pulled: 'mlink: a link that leads out',
  },
  'links that lead out together': {
    make: (top) => {
      mkdirSync(join(top, 'm/b'), { recursive: true });
      symlinkSync('../..', join(top, 'm/b/l1'));
      symlinkSync('m/b/l1/../..', join(top, 'ml2'));
    },
    said: 'ml2: the symbolic link to "m/b/l1/../.." leads out',
    pulled: 'ml2: a link that leads out',
  },
  'a link to nothing': { make: (top) => symlinkSync('nosuch', join(top, 'mlink')) },
  'a name that is not UTF-8': { make: (top) => writeFileSync(at(top, 'm\xe9'), 'x') },
  'a name with a newline': {
    make: (top) => writeFileSync(join(top, 'm\nn'), 'x'),
    toBase: `m\\nn: ${badName}`,
  },
  'a name with a backslash': {
    make: (top) => writeFileSync(join(top, 'm\\n'), 'x'),
    toBase: `m\\n: ${badName}`,
  },
  'a name of 255 bytes': { make: (top) => writeFileSync(join(top, 'm'.repeat(255)), 'x') },
  '.gomoteignore that is shut': {
    make: shut('m/.gomoteignore', 0o000),
    said: 'm: cannot read its .gomoteignore: permission denied',
    pulled: 'm/.gomoteignore: ',
  },
  '.gomoteignore that is a device': {
    make: (top) => {
      mkdirSync(join(top, 'm'));
      symlinkSync('/dev/zero', join(top, 'm/.gomoteignore'));
    },
    said: 'm: cannot read its .gomoteignore: it is not a file',
    pulled: 'm/.gomoteignore: ',
  },
  '.gitignore that is shut': {
    make: shut('m/.gitignore', 0o000),
    said: denied('m/.gitignore'),
    inGit: 'm: cannot read its .gitignore: permission denied',
    pulled: 'm/.gitignore: ',
  },
  '.gitignore that is a link': {
    make: (top) => {
      write(top, 'm/f');
      symlinkSync('../a', join(top, 'm/.gitignore'));
    },
  },
  '.git of a repository that is gone': {
    make: (top) => write(top, 'msub/.git', 'gitdir: /nosuch/x\n'),
    inGit: 'git cannot say what it ignores in msub: fatal: not a git repository: /nosuch/x',
  },
};

function fifoRules(top: string): void {
  mkdirSync(join(top, 'm'));
  execFileSync('mkfifo', [join(top, 'm/.gomoteignore')]);
}

interface Bench {
  readonly cli: Cli;
  readonly name: string;
  readonly workDir: string;
  /** The directory of the push or pull, from the work directory on, and its path. */
  readonly dir: string;
  readonly there: string;
  readonly top: string;
}

/** A tree of two files, and a buildlet of its own of the kind. */
const bench = async (options: { features?: readonly string[] }): Promise<Bench> =>
  benchOn(await startBuildlet(options), 'd');

/** A tree of two files, and a place for it on the buildlet. */
function benchOn(buildlet: TestBuildlet, dir: string): Bench {
  const top = temporaryDirectory();
  // What is shut could not be removed.
  onTestFinished(() => {
    execFileSync('chmod', ['-R', 'u+rwX', top, buildlet.workDir], { stdio: 'ignore' });
  });
  plain(top);
  const { workDir } = buildlet;
  const name = `x@${buildlet.address}`;
  return { cli: testCli(), name, workDir, dir, there: join(workDir, dir), top };
}

function plain(top: string): void {
  write(top, 'a');
  write(top, 'z/zz');
}

const hasPlain = (top: string): boolean =>
  existsSync(join(top, 'a')) && existsSync(join(top, 'z/zz'));

const outcome = (said: string | undefined, isNone = false) => ({
  code: said === undefined || isNone ? 0 : 1,
  stderr: expect.stringContaining(said ?? ''),
});

describe.skipIf(process.platform === 'win32').each([
  ['our protocol', {}],
  ['the base protocol', { features: [] }],
])('by %s', (how, options) => {
  const isBase = how === 'the base protocol';
  const shared = sharedBuildlet(options);
  let count = 0;

  describe.each(Object.entries(odds))(
    '%s',
    (odd, { make, said, toBase, inGit, isNone, pulled = said }) => {
      const pushed = isBase ? (toBase ?? said) : said;

      it.each([['plain'], ['git'], ['mirror'], ['dry run']])(
        'does not stop a push: %s',
        async (kind) => {
          const { cli, name, dir, there, top } = benchOn(await shared(), `d${count++}`);
          const push = (...more: string[]) => cli(['push', ...more, '--dest', dir, name, top]);
          if (kind === 'git')
            execFileSync('git', ['init', '-q', top], {
              env: { HOME: top, PATH: process.env.PATH },
            });
          if (kind === 'mirror') write(there, 'built');
          make(top);
          const result = await push(
            ...(kind === 'mirror' ? ['--mirror'] : kind === 'dry run' ? ['--dry-run'] : []),
          );
          // What leads out together is seen there.
          const isSeenThere = kind === 'dry run' && pushed?.startsWith('ml2');
          expect(result).toMatchObject(
            outcome(isSeenThere ? undefined : kind === 'git' ? (inGit ?? pushed) : pushed, isNone),
          );
          expect(result.stderr).not.toContain(top);
          if (kind !== 'dry run') expect(hasPlain(there)).toBe(true);
          expect(existsSync(join(there, 'built'))).toBe(false);
        },
      );

      // What a buildlet of Go cannot read ends its listing.
      const isRead = /link|FIFO/.test(odd) || (pulled ?? toBase) === undefined;
      it.skipIf(isBase && !isRead)('does not stop a pull', async () => {
        for (const kind of ['new', 'into', 'changed']) {
          const { cli, name, dir, there, top } = benchOn(await shared(), `d${count++}`);
          if (kind === 'changed') await cli(['push', '--dest', dir, name, top]);
          else plain(there);
          make(there);
          write(there, 'z/new');
          const to = kind === 'changed' ? top : join(temporaryDirectory(), 'to');
          if (kind === 'into') write(to, 'mine');
          const flags = kind === 'changed' ? ['--changed'] : [];
          const result = await cli(['pull', ...flags, name, dir, to]);
          expect(result, kind).toMatchObject(outcome(pulled, isNone));
          expect(hasPlain(to) && existsSync(join(to, 'z/new')), kind).toBe(true);
        }
      });
    },
  );

  it('ls -R lists the rest beside a directory that is closed', async () => {
    const { cli, name, workDir, there } = await bench(options);
    plain(there);
    shut('m/shut', 0o000, 'm/shut/f')(there);
    for (const flag of ['-R', '-Rd']) {
      const listed = await cli(['ls', flag, name, 'd']);
      expect(listed).toMatchObject({ code: 1, stderr: expect.stringContaining(denied('m/shut')) });
      expect(listed.stderr.includes(workDir)).toBe(isBase);
      expect(listed.stdout).toMatch(/\ta\t.*\n.*\tm\/\n.*\tm\/shut\/\n.*\tz\/\n.*\tz\/zz\t.*\n$/s);
    }
  });

  it('ls -Rd lists a file that cannot be read without its digest', async () => {
    const { cli, name, there } = await bench(options);
    plain(there);
    shut('m/s', 0o000)(there);
    const listed = await cli(['ls', '-Rd', name, 'd']);
    expect(listed).toMatchObject({ code: 1, stderr: expect.stringContaining(denied('m/s')) });
    expect(listed.stdout).toMatch(/\ta\t.*\n.*\tm\/s\t1\t[^\t]*\n.*\tz\/zz\t.*\n$/s);
  });

  it('a name there with a newline or a tab stops nothing', async () => {
    const { cli, name, there, top } = await bench(options);
    const push = (...more: string[]) => cli(['push', ...more, '--dest', 'd', name, top]);
    expect((await push()).code).toBe(0);
    write(there, 'm/new\nline');
    write(there, 'm/t\tb/below');
    write(there, 'z/new');
    write(top, 'z/mine');
    const isListed = isBase ? { code: 1, stderr: /new\\nline.*t\\tb/s } : { code: 0, stderr: /^$/ };
    const to = join(temporaryDirectory(), 'to');
    for (const result of [
      await cli(['ls', '-R', name, 'd']),
      await cli(['ls', '-Rd', name, 'd']),
      await cli(['diff', name]),
      await cli(['pull', name, 'd', to]),
    ]) {
      expect(result.code, result.stderr).toBe(isListed.code);
      if (isBase) expect(result.stderr).toContain('new');
    }
    expect((await cli(['ls', '-R', name, 'd'])).stdout).toMatch(/\tz\/new\t.*\n.*\tz\/zz\t/);
    expect((await cli(['diff', name])).stdout).toContain('z/new');
    expect(hasPlain(to) && existsSync(join(to, 'z/new'))).toBe(true);
    await push();
    expect(existsSync(join(there, 'z/mine'))).toBe(true);
    expect(existsSync(join(there, 'm/new\nline'))).toBe(true);
  });

  it('a mirror removes nothing there of what could not be read here', async () => {
    const { cli, name, there, top } = await bench(options);
    shut('m/shut', 0o000, 'm/shut/f')(top);
    write(there, 'm/shut/kept');
    write(there, 'built');
    const pushed = await cli(['push', '--mirror', '--dest', 'd', name, top]);
    expect(pushed).toMatchObject({ code: 1, stderr: expect.stringContaining(denied('m/shut')) });
    expect(existsSync(join(there, 'm/shut/kept'))).toBe(true);
    expect(existsSync(join(there, 'built'))).toBe(false);
  });
});

describe.skipIf(process.platform === 'win32')('an odd entry', () => {
  it.each([
    'put N a shut/f',
    'get N shut/f',
    'ls N shut',
    'puttar --dir shut N .',
    'pull N shut to',
  ])('is named by %s as it was typed when it is a closed directory', async (typed) => {
    const { cli, name, workDir, top } = await bench({});
    shut('shut', 0o000, 'shut/f')(workDir);
    const [command = '', ...words] = typed.split(' ');
    const given: Record<string, string> = {
      N: name,
      a: join(top, 'a'),
      '.': top,
      to: join(top, 'to'),
    };
    const result = await cli([command, ...words.map((word) => given[word] ?? word)]);
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/: permission denied: shut(\/f)?\n$/),
    });
  });

  it('is named when it is a directory here that may not be written to', async () => {
    const { cli, name, there, top } = await bench({});
    plain(there);
    shut('m', 0o555, 'm/f')(top);
    const pulled = await cli(['pull', name, 'd', join(top, 'm/new')]);
    expect(pulled).toMatchObject({ code: 1, stderr: 'gomote: new: permission denied\n' });
  });

  it('is named by a dry run when it is a link that would not be fetched', async () => {
    const { cli, name, there, top } = await bench({});
    plain(there);
    symlinkSync('/etc/passwd', join(there, 'mlink'));
    const pulled = await cli(['pull', '--force', '--dry-run', name, 'd', join(top, 'to')]);
    expect(pulled).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('mlink: a link that leads out; nothing was done'),
    });
  });

  it.each([0o000, 0o444, 0o111])(
    'stays after a mirror when it is a directory of mode %o',
    async (mode) => {
      const { cli, name, there, top } = await bench({});
      shut('m/shut', mode, 'm/shut/f')(there);
      for (const round of [1, 2]) {
        const pushed = await cli(['push', '--mirror', '--dest', 'd', name, top]);
        const stderr = expect.stringContaining('m/shut: cannot be read there: permission denied');
        expect(pushed, String(round)).toMatchObject({ code: 1, stderr });
      }
      expect(hasPlain(there)).toBe(true);
      chmodSync(join(there, 'm/shut'), 0o755);
      expect(existsSync(join(there, 'm/shut/f'))).toBe(true);
    },
  );

  it.each([
    ['a directory that is shut', shut('m', 0o000, 'm/f'), 'm/new: permission denied'],
    ['rules that are shut', shut('m/.gomoteignore', 0o000), 'm: cannot read its .gomoteignore'],
    ['rules in a FIFO', fifoRules, 'm: cannot read its .gomoteignore: it is not a file'],
    ['a file that is shut', shut('m/new', 0o000), 'm/new: '],
    ['a FIFO', (top: string) => void execFileSync('mkfifo', [join(top, 'm')]), 'm: something else'],
  ])('stays after a pull when it is %s here, and the rest is fetched', async (_, make, said) => {
    const { cli, name, there, top } = await bench({});
    await cli(['push', '--dest', 'd', name, top]);
    write(there, 'm/new');
    write(there, 'z/new');
    make(top);
    const pulled = await cli(['pull', '--changed', name, 'd', top]);
    expect(pulled).toMatchObject({ code: 1, stderr: expect.stringContaining(said) });
    expect(existsSync(join(top, 'z/new'))).toBe(true);
  });
});
