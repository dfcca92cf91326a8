import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { resolveInside } from '../../src/files/confine.ts';
import { temporaryDirectory } from '../tar/tree.ts';
import { planted } from './planted-tree.ts';

const resolved: [relative: string, follow: boolean, expected: string][] = [
  ['', false, ''],
  ['.', true, ''],
  ['sub/file', false, 'sub/file'],
  ['a/b/c', false, 'a/b/c'],
  ['sub/file/below', false, 'sub/file/below'],
  ['./sub//deep/../file', false, 'sub/file'],
  ['to-sub/new', false, 'sub/new'],
  ['to-sub-absolute/new', false, 'sub/new'],
  ['sub/round-about/file', false, 'sub/file'],
  ['to-self/to-self/to-sub/x', false, 'sub/x'],
  ['to-sub', false, 'to-sub'],
  ['to-sub', true, 'sub'],
  ['to-outside', false, 'to-outside'],
  ['dangling', true, 'absent'],
  ['dangling/x', false, 'absent/x'],
  ['loop-a', false, 'loop-a'],
];

test.each(resolved)(
  'a confined path resolves %j (follow: %s) to %j',
  (relative, follow, expected) => {
    const { root } = planted();
    expect(resolveInside(root, relative, { follow })).toBe(join(root, expected));
  },
);

const refused: [relative: string, follow: boolean][] = [
  ['/etc/passwd', false],
  ['..', false],
  ['a/../../b', false],
  ['a\0', false],
  ['to-outside', true],
  ['to-outside/x', false],
  ['to-outside-absolute/x', false],
  ['to-to-outside/x', false],
  ['to-twin/x', false],
  ['to-outside/back/sub', false],
  ['dangling-out', true],
  ['dangling-out/x', false],
  ['loop-a', true],
  ['loop-a/x', false],
];

test.each(refused)('a confined path refuses %j (follow: %s)', (relative, follow) => {
  const { root } = planted();
  const error = expect.objectContaining({
    code: 'ERR_PATH',
    message: expect.stringContaining(JSON.stringify(relative)),
  });
  expect(() => resolveInside(root, relative, { follow })).toThrow(error);
});

test('a root that is reached through a link gives real paths', () => {
  const { root, outside } = planted();
  expect(resolveInside(join(outside, 'back'), 'to-sub/x')).toBe(join(root, 'sub/x'));
});

test('a missing root is told by name', () => {
  const root = join(temporaryDirectory(), 'absent');
  expect(() => resolveInside(root, 'x')).toThrow(
    expect.objectContaining({
      code: 'ERR_LOCAL_FILE',
      message: `realpath ${root}: no such file or directory`,
    }),
  );
});

test('whatever the path, the result is inside or it is refused', () => {
  const { root } = planted();
  const part = fc.constantFrom(
    ...['..', '.', '', 'sub', 'deep', 'file', 'new', 'back', 'to-sub', 'to-self', 'to-outside'],
    ...['to-sub-absolute', 'round-about', 'dangling', 'dangling-out', 'loop-a', 'to-twin'],
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.boolean(), (parts, follow) => {
      let path = root;
      try {
        path = resolveInside(root, parts.join('/'), { follow });
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_PATH' });
      }
      expect(`${path}/`.startsWith(`${root}/`)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
