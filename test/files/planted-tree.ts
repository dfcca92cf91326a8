// A directory with links of all kinds, in and out of it, for the rules of paths that stay inside.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../tar/tree.ts';

/** What paths in it lead to, by each walk that stays inside; `follow`: whether a link as the last element is followed. */
export const leading: readonly [relative: string, follow: boolean, expected: string][] = [
  ['', false, ''],
  ['.', true, ''],
  ['sub/file', false, 'sub/file'],
  ['a/b/c', false, 'a/b/c'],
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

/** Paths that each such walk refuses. */
export const refused: readonly [relative: string, follow: boolean][] = [
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
  ['loop-a', true],
  ['loop-a/x', false],
];

export function planted(): { root: string; outside: string } {
  const top = temporaryDirectory();
  const root = join(top, 'root');
  const outside = join(top, 'outside');
  mkdirSync(join(root, 'sub/deep'), { recursive: true });
  mkdirSync(outside);
  // A sibling whose path begins like the root's.
  mkdirSync(`${root}-twin`);
  writeFileSync(join(root, 'sub/file'), 'x');
  symlinkSync('sub', join(root, 'to-sub'));
  symlinkSync(join(root, 'sub'), join(root, 'to-sub-absolute'));
  symlinkSync('../../root/sub', join(root, 'sub/round-about'));
  symlinkSync('../outside', join(root, 'to-outside'));
  symlinkSync(outside, join(root, 'to-outside-absolute'));
  symlinkSync(`${root}-twin`, join(root, 'to-twin'));
  symlinkSync('to-outside', join(root, 'to-to-outside'));
  symlinkSync(root, join(outside, 'back'));
  symlinkSync('loop-b', join(root, 'loop-a'));
  symlinkSync('loop-a', join(root, 'loop-b'));
  symlinkSync('absent', join(root, 'dangling'));
  symlinkSync('absent/../../outside', join(root, 'dangling-out'));
  symlinkSync('.', join(root, 'to-self'));
  symlinkSync(root, join(root, 'to-root-absolute'));
  return { root, outside };
}
