import { expect, it } from 'vitest';
import { TreeStore } from '../../../src/buildlet/trees/tree-store.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

it('the trees of a work dir that are known at a time are not more and more', () => {
  const store = new TreeStore(temporaryDirectory());
  const generation = (dir: string) =>
    (store.answer({ kind: 'state', dir, all: false }) as { generation: string }).generation;
  const first = generation('0');
  const second = generation('1');
  for (let n = 2; n < 1_500; n++) {
    generation(`${n}`);
    // One that is used stays known.
    expect(generation('1')).toBe(second);
  }
  expect(generation('0')).not.toBe(first);
});
