import { describe, expect, it } from 'vitest';
import type { TreeChange } from '../../../src/protocol/tree-change.ts';
import { PushSource } from '../../../src/sync/push/push-source.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { directory, file, plant } from '../../tar/tree.ts';

describe('the changes that a first push finds while it walks', () => {
  const ways: [what: string, tree: Parameters<typeof plant>[1], walks: number][] = [
    ['a tree of which nothing is known yet', [['a', file('a')]], 0],
    ['an empty tree', [], 0],
    ['a tree that has been walked', [['d', directory([['in', file('in')]])]], 100],
  ];
  it.each(ways)('are all of %s, once', async (_what, tree, walks) => {
    const top = temporaryDirectory();
    plant(top, tree);
    const { signal } = new AbortController();
    const told: number[] = [];
    const source = await PushSource.begin(top, {
      dir: '.',
      signal,
      refuses: () => undefined,
      onUnread: () => undefined,
      onTree: ({ entries }) => told.push(entries.length),
    });
    for (let walk = 0; walk < walks && !source.walk.isOver; walk++) await source.walk.walk();
    const all: TreeChange[] = [];
    const parts: TreeChange[] = [];
    let count = 0;
    for await (const changes of source.found(all)) {
      parts.push(...changes);
      // Whatever is not walked on would never end.
      expect(++count).toBeLessThan(100);
    }
    const paths = source.walk.entries.map(({ path }) => path);
    expect(parts).toEqual(all);
    expect(all.map((change) => (change.op === 'write' ? change.entry.path : ''))).toEqual(paths);
    expect(told).toEqual([paths.length]);
  });
});
