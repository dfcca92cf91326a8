import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { PushedTree } from '../../../src/buildlet/trees/pushed-tree.ts';
import type { TreeChange } from '../../../src/protocol/tree-change.ts';
import type { TreeEntry } from '../../../src/protocol/tree-entry.ts';
import { DigestCache } from '../../../src/tree/digest-cache.ts';
import { sendTree } from '../../../src/tree/tree-sender.ts';
import { look } from '../../../src/tree/tree-walk.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** A tree of one file that has just been pushed, and is not written down yet. */
function justPushed() {
  const [source, workDir] = [temporaryDirectory(), temporaryDirectory()];
  mkdirSync(join(workDir, 'tree'));
  writeFileSync(join(source, 'a.txt'), 'sent');
  const tree = new PushedTree(workDir, 'tree', new DigestCache());
  const change: TreeChange = { op: 'write', entry: look(source, 'a.txt') as TreeEntry };
  const running = tree.change({ ...asSent, generation: tree.generation });
  for (const piece of sendTree(source, [change])) running.push(piece);
  running.end();
  return { tree, workDir, record: join(workDir, '.gomote') };
}

const asSent = { ranAtMs: 0, givesUpEntries: false, replacesDirectories: false };

const names = (tree: PushedTree) => tree.pushed().map(({ path }) => path);

it('a push is remembered, also after a restart of its buildlet', async () => {
  const { tree, workDir } = justPushed();
  await turn();
  expect(names(tree)).toEqual(['a.txt']);
  expect(names(new PushedTree(workDir, 'tree', new DigestCache()))).toEqual(['a.txt']);
});

it.each([
  ['before it is written down, and asked for at once', async () => undefined],
  ['before it is written down', turn],
])('a push whose record is removed %s is forgotten', async (_, wait) => {
  const { tree, workDir, record } = justPushed();
  const { generation } = tree;
  rmSync(record, { recursive: true });
  await wait();
  expect(names(tree)).toEqual([]);
  expect(names(new PushedTree(workDir, 'tree', new DigestCache()))).toEqual([]);
  // Whoever saw the tree before must look again.
  expect(() => tree.change({ ...asSent, generation })).toThrow('changed by another push');
});

it('a push whose record is removed later is forgotten', async () => {
  const { tree, record } = justPushed();
  await turn();
  rmSync(record, { recursive: true });
  expect(names(tree)).toEqual([]);
});
