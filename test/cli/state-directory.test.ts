// A disk for gomote's own files that cannot be written: the message says which file, why, and what to do.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ownFileError } from '../../src/files/local-error.ts';
import { open } from '../../src/index.ts';
import { testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { missing } from '../helpers/tools.ts';

const mount = (directory: string) =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'mode=700,size=64k', 'none', directory]).status === 0;

function canMount(): boolean {
  const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  const can = mount(directory);
  if (can) execFileSync('umount', [directory]);
  else missing('this user may not mount a tmpfs');
  execFileSync('rmdir', [directory]);
  return can;
}

const remount = (directory: string, options: string) =>
  execFileSync('mount', ['-o', `remount,${options}`, directory]);

const readOnly = (directory: string) => void remount(directory, 'ro');
const withoutFiles = (directory: string) => void remount(directory, 'nr_inodes=1');
const full = (directory: string) =>
  void spawnSync('sh', ['-c', 'cat /dev/zero >"$0"', join(directory, 'fill')]);

function disk(spoil: (directory: string) => void): string {
  const directory = temporaryDirectory();
  expect(mount(directory)).toBe(true);
  onTestFinished(() => void execFileSync('umount', ['-l', directory]));
  spoil(directory);
  return directory;
}

const readOnlyText = 'read-only file system';
const fullText = 'no space left on device';

describe.runIf(canMount())('a disk that cannot be written', () => {
  it.each([
    // Names and locks are files without content: a full disk may have room for them.
    ['XDG_STATE_HOME', ['create', 'local'], readOnly, readOnlyText],
    ['XDG_STATE_HOME', ['create', 'local'], withoutFiles, fullText],
    ['XDG_STATE_HOME', ['once', 'local', '--', 'true'], readOnly, readOnlyText],
    ['XDG_STATE_HOME', ['once', 'local', '--', 'true'], withoutFiles, fullText],
    ['XDG_RUNTIME_DIR', ['create', 'local'], readOnly, readOnlyText],
    ['XDG_RUNTIME_DIR', ['create', 'local'], withoutFiles, fullText],
    ['XDG_RUNTIME_DIR', ['create', 'local'], full, fullText],
    ['XDG_CONFIG_HOME', ['group', 'create', 'those'], readOnly, readOnlyText],
    ['XDG_CONFIG_HOME', ['group', 'create', 'those'], withoutFiles, fullText],
  ])('is named with its file (%s, %j)', async (place, argv, spoil, reason) => {
    const cli = testCli();
    const directory = disk(spoil);
    const { code, stdout, stderr } = await cli(argv, { environment: { [place]: directory } });
    expect([code, stdout]).toEqual([argv[0] === 'once' ? 125 : 1, '']);
    expect(stderr).toMatch(/^gomote: [^\n]+; [^\n]+\n$/);
    expect(stderr).toContain(directory);
    expect(stderr).toContain(reason);
    expect(stderr).not.toMatch(/\bE[A-Z]{4,}\b/);
  });

  it.each([
    ['XDG_STATE_HOME', readOnly, readOnlyText],
    ['XDG_RUNTIME_DIR', full, fullText],
  ])('is named by the library (%s)', async (place, spoil, reason) => {
    const directory = disk(spoil);
    const home = temporaryDirectory();
    const homes = {
      HOME: home,
      XDG_RUNTIME_DIR: home,
      XDG_CONFIG_HOME: home,
      XDG_STATE_HOME: home,
    };
    const environment = { ...process.env, ...homes, [place]: directory };
    await using gomote = await open({ environment });
    await expect(gomote.create('local')).rejects.toMatchObject({
      message: expect.stringContaining(directory),
      hint: expect.stringMatching(/./),
    });
    await expect(gomote.create('local')).rejects.toThrow(reason);
  });
});

it('the error of a quota names it, though Node has no name for it', () => {
  const errno = process.platform === 'linux' ? -122 : -69;
  const error = Object.assign(new Error(`Unknown system error ${errno}, write`), {
    ...{ errno, code: `Unknown system error ${errno}`, syscall: 'write', path: '/a' },
  });
  expect(ownFileError(error)).toMatchObject({
    ...{ code: 'ERR_LOCAL_FILE', hint: 'make room there' },
    message: 'cannot write "/a": disk quota exceeded',
  });
  expect(ownFileError('text')).toBe('text');
});
