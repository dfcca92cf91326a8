import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { resolveInside } from '../../src/files/confine.ts';
import { temporaryDirectory } from '../tar/tree.ts';
import { leading, planted, refused } from './planted-tree.ts';

const resolved: typeof leading = [
  ...leading,
  ['./sub//deep/../file', false, 'sub/file'],
  ['sub/file/below', false, 'sub/file/below'],
];

test.each(resolved)(
  'a confined path resolves %j (follow: %s) to %j',
  (relative, follow, expected) => {
    const { root } = planted();
    expect(resolveInside(root, relative, { follow })).toBe(join(root, expected));
  },
);

test.each([...refused, ['dangling-out', true], ['dangling-out/x', false]] as typeof refused)(
  'a confined path refuses %j (follow: %s)',
  (relative, follow) => {
    const { root } = planted();
    const error = expect.objectContaining({
      code: 'ERR_PATH',
      message: expect.stringContaining(JSON.stringify(relative)),
    });
    expect(() => resolveInside(root, relative, { follow })).toThrow(error);
  },
);

test('a confined path below a root that is a link is a real path', () => {
  const { root, outside } = planted();
  expect(resolveInside(join(outside, 'back'), 'to-sub/x')).toBe(join(root, 'sub/x'));
});

test('a confined path below a missing root names the root', () => {
  const root = join(temporaryDirectory(), 'absent');
  expect(() => resolveInside(root, 'x')).toThrow(
    expect.objectContaining({
      code: 'ERR_LOCAL_FILE',
      message: `realpath ${root}: no such file or directory`,
    }),
  );
});

test('a confined path is inside or refused, whatever the text', () => {
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
