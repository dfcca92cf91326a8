// What belongs on a file system that is mounted in a tree.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { putInPlace } from '../../src/files/put-in-place.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasRoot } from '../helpers/tools.ts';
import { rawTar, unpack } from '../tar/raw-archive.ts';

/** A directory in which `m` is a file system of its own, of a MiB. */
function withMount(): string {
  const root = temporaryDirectory();
  const mount = join(root, 'm');
  mkdirSync(mount);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', mount]);
  onTestFinished(() => void execFileSync('umount', ['-l', mount]));
  return root;
}

describe.runIf(process.platform === 'linux' && hasRoot())('a mounted file system', () => {
  const mtime = 1_000_000_000;

  it('gets a complete file, in place of another', () => {
    const root = withMount();
    const [partial, place] = [join(root, '.part'), join(root, 'm/file')];
    writeFileSync(partial, 'new', { mode: 0o640 });
    utimesSync(partial, mtime, mtime);
    writeFileSync(place, 'old');
    putInPlace(partial, place);
    expect(readFileSync(place, 'utf8')).toBe('new');
    const { mode, mtimeMs } = statSync(place);
    expect([mode & 0o777, mtimeMs]).toEqual([0o640, mtime * 1000]);
    expect([readdirSync(root), readdirSync(join(root, 'm'))]).toEqual([['m'], ['file']]);
  });

  it('gets the directories and files of an archive', async () => {
    const root = withMount();
    writeFileSync(join(root, 'm/g'), 'old');
    const archive = rawTar(
      { name: 'm/d/f', content: 'in a new directory' },
      { name: 'm/g', content: 'new' },
    );
    await unpack(gzipSync(archive), root);
    expect(readFileSync(join(root, 'm/d/f'), 'utf8')).toBe('in a new directory');
    expect(readFileSync(join(root, 'm/g'), 'utf8')).toBe('new');
    expect(readdirSync(join(root, 'm')).sort()).toEqual(['d', 'g']);
  });

  it('that is full keeps its files, and no partial ones', () => {
    const root = withMount();
    const [partial, place] = [join(root, '.part'), join(root, 'm/file')];
    writeFileSync(partial, Buffer.alloc(2 << 20));
    writeFileSync(place, 'old');
    expect(() => putInPlace(partial, place)).toThrow('ENOSPC');
    expect(readFileSync(place, 'utf8')).toBe('old');
    expect(readdirSync(join(root, 'm'))).toEqual(['file']);
    expect(existsSync(partial)).toBe(true);
  });
});
