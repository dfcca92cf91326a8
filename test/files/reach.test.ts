import { existsSync, readdirSync, readlinkSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestAccess, type DirectoryAccess } from '../../src/files/open-directory.ts';
import { reach } from '../../src/files/reach.ts';
import { leading, planted, refused } from './planted-tree.ts';

const holdings: DirectoryAccess[] = [...new Set<DirectoryAccess>([bestAccess, 'path'])];

/** Where the walk ends, made if it has to be. */
function placed(root: string, relative: string, follow: boolean, how: DirectoryAccess): string {
  const place = reach(root, relative, { follow, how, make: { mode: 0o755 } });
  place.close();
  return place.path;
}

const resolved: typeof leading = [
  ...leading,
  ['./sub//deep/../file', false, 'sub/file'],
  ['to-root-absolute', true, ''],
  ['to-root-absolute/sub/file', false, 'sub/file'],
];

const failing: [relative: string, code: string][] = [
  ['a/b', 'ENOENT'],
  ['sub/file/below', 'ENOTDIR'],
  ['dangling-out', 'ENOENT'],
  ['dangling/x', 'ENOENT'],
];

test('directories are held by their descriptors where the system has /proc', () => {
  expect(bestAccess).toBe(existsSync('/proc/self/fd') ? 'descriptor' : 'path');
});

describe.each(holdings)('directories held by %s', (how) => {
  test.each(resolved)('lead from %j (follow: %s) to %j', (relative, follow, expected) => {
    const { root } = planted();
    expect(placed(root, relative, follow, how)).toBe(join(root, expected));
  });

  test.each(refused)('refuse %j (follow: %s)', (relative, follow) => {
    const { root } = planted();
    expect(() => placed(root, relative, follow, how)).toThrow(
      expect.objectContaining({
        code: 'ERR_PATH',
        message: expect.stringContaining(JSON.stringify(relative)),
      }),
    );
    expect(readdirSync(root).sort()).toEqual(readdirSync(planted().root).sort());
  });

  test.each(failing)('fail for %j with %s', (relative, code) => {
    const { root } = planted();
    expect(() => reach(root, relative, { follow: true, how })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test.each([
    ['a new directory', 'x/y', '.', 'x/y'],
    ['a directory', 'sub/deep', '.', 'sub/deep'],
    ['a file', 'sub/file', 'file', 'sub'],
    ['a link to a directory', 'to-sub', 'to-sub', ''],
  ])('a walk that makes all directories ends in or at %s', (_what, relative, name, directory) => {
    const { root } = planted();
    const place = reach(root, relative, { how, make: { mode: 0o755, all: true } });
    place.close();
    expect(place).toMatchObject({ name, path: join(root, relative) });
    expect(place.directory.path).toBe(join(root, directory));
  });

  test.each([40, 41])('follow forty of %i links in a row', (links) => {
    const { root } = planted();
    symlinkSync('sub', join(root, 'link-1'));
    for (let i = 2; i <= links; i++) symlinkSync(`link-${i - 1}`, join(root, `link-${i}`));
    const walk = () => placed(root, `link-${links}/x`, false, how);
    if (links === 40) expect(walk()).toBe(join(root, 'sub/x'));
    else expect(walk).toThrow('too many levels of symbolic links');
  });

  test('stay inside or refuse, whatever the path, and leave nothing open', () => {
    const { root } = planted();
    const part = fc.constantFrom(
      ...['..', '.', '', 'sub', 'deep', 'file', 'new', 'back', 'to-sub', 'to-self', 'to-outside'],
      ...['to-sub-absolute', 'round-about', 'dangling', 'dangling-out', 'loop-a', 'to-twin'],
      'to-root-absolute',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.boolean(), (parts, follow) => {
        try {
          const place = reach(root, parts.join('/'), { follow, how });
          expect(`${place.path}/`.startsWith(`${root}/`)).toBe(true);
          expect(`${realpathSync(place.directory.self)}/`.startsWith(`${root}/`)).toBe(true);
          place.close();
        } catch (error) {
          expect(['ERR_PATH', 'ENOENT', 'ENOTDIR']).toContain((error as { code?: string }).code);
        }
      }),
      { numRuns: 500 },
    );
    expect(openDescriptors(root)).toBe(0);
  });
});

/** How many descriptors of this process lead below a directory; others are opened beside this test. */
function openDescriptors(below: string): number {
  if (bestAccess === 'path') return 0;
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(below);
    } catch {
      return false;
    }
  }).length;
}
