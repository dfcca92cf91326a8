import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { treeDigest } from '../../../src/protocol/tree-entry.ts';
import { type FreshDigest, StoredTree } from '../../../src/sync/local/stored-tree.ts';
import type { FoundEntry } from '../../../src/tree/tree-walk.ts';

let inode = 0;
const identity = () => ({ ctimeMs: 2000.5, ino: ++inode });
const base = { mode: 0o644, mtimeMs: 1000, digest: '', target: '' };
const file = (path: string, size = 3): FoundEntry => ({
  ...base,
  kind: 'file',
  path,
  size,
  ...identity(),
});
const directory = (path: string): FoundEntry => ({
  ...base,
  kind: 'directory',
  path,
  mode: 0o755,
  size: 0,
  ...identity(),
});
const link = (path: string, target: string): FoundEntry => ({
  ...base,
  kind: 'symlink',
  path,
  mode: 0,
  size: 0,
  target,
  ...identity(),
});

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const fresh = (...paths: string[]): Map<string, FreshDigest> =>
  new Map(paths.map((path) => [path, { digest: digestOf(path), isTold: true }]));

/** Written to a file and read back. */
const kept = (tree: StoredTree): StoredTree => StoredTree.decode(tree.encode());

const tree = [directory('d'), file('d/ä'), link('d/l', 'ä'), file('e')];
const stored = () => kept(StoredTree.empty.next(tree, fresh('d/ä', 'e')));

/** The digest of entries whose files' digests are those of their paths. */
const wanted = (entries: readonly FoundEntry[], changed: Record<string, string> = {}): string =>
  treeDigest(
    entries.map((entry) => ({
      ...entry,
      digest: entry.kind === 'file' ? digestOf(changed[entry.path] ?? entry.path) : '',
    })),
  );

describe('StoredTree', () => {
  it('has the digest that the same tree has on the wire, also when it was read back', () => {
    expect(stored().digest).toBe(wanted(tree));
    expect(stored().differing(tree)).toEqual({ here: [], there: [] });
  });

  it('knows the digests of files that are told to be the same', () => {
    const [, first] = tree;
    const other = { ...file('d/ä'), ...identity() };
    expect(first && stored().lookup(first)).toBe(digestOf('d/ä'));
    expect(stored().lookup(other)).toBeUndefined();
    expect(stored().lookup(file('nowhere'))).toBeUndefined();
  });

  it('reports what differs, and what was there before', () => {
    const changed = { ...file('e', 4), mode: 0o755 };
    const now = [file('c'), directory('d'), tree[1], link('d/l', 'b'), changed].filter(
      (entry) => entry !== undefined,
    );
    const { here, there } = stored().differing(now);
    expect(here.map(({ path }) => path)).toEqual(['c', 'd/l', 'e']);
    expect(there).toEqual([
      { ...base, kind: 'symlink', path: 'd/l', mode: 0, size: 0, target: 'ä' },
      { ...base, kind: 'file', path: 'e', size: 3, digest: digestOf('e') },
    ]);
  });

  it('becomes the next tree, with the digests found and of unchanged files', () => {
    const now = [file('c'), ...tree.slice(1, 3), file('e', 4)];
    const learned = new Map([
      ...fresh('c'),
      ['e', { digest: digestOf('E'), isTold: true }] as const,
    ]);
    const next = kept(stored().next(now, learned));
    expect(next.digest).toBe(wanted(now, { e: 'E' }));
    expect(next.differing(now)).toEqual({ here: [], there: [] });
  });

  it('prefers a fresh digest where the file looks unchanged', () => {
    const learned = new Map([['e', { digest: digestOf('E'), isTold: true }]]);
    expect(stored().next(tree, learned).digest).toBe(wanted(tree, { e: 'E' }));
  });

  it('has no digest while that of a file is unknown', () => {
    const partly = kept(StoredTree.empty.next(tree, fresh('e')));
    expect(partly.digest).toBe('');
    expect(kept(partly.next(tree, new Map())).digest).toBe('');
    expect(partly.next(tree, fresh('d/ä')).digest).toBe(wanted(tree));
  });

  it('does not take a file for unchanged that may have changed unseen', () => {
    const racy = new Map([
      ...fresh('d/ä'),
      ['e', { digest: digestOf('e'), isTold: false }] as const,
    ]);
    const next = kept(StoredTree.empty.next(tree, racy));
    expect(next.digest).toBe(wanted(tree));
    expect(next.differing(tree).here.map(({ path }) => path)).toEqual(['e']);
  });

  it.each([
    ['nothing', ''],
    ['half of it', stored().encode().slice(0, -100)],
    ['zeros', '\0'.repeat(100)],
    ['another format', stored().encode().replace('"format":5', '"format":4')],
    ['something else', '[]'],
    ['rows of something else', '{"format":5,"digest":"","times":"","rows":[null,{},[]]}'],
    ['no rows', '{"format":5,"digest":"","times":""}'],
  ])('is empty when its file is %s', (_, text) => {
    expect(StoredTree.decode(text)).toBe(StoredTree.empty);
  });
});
