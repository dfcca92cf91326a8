import { expect, it } from 'vitest';
import { TreeStore } from '../../../src/buildlet/trees/tree-store.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

it('the number of known trees of a work directory is limited', () => {
  const store = new TreeStore({ workDir: temporaryDirectory(), stage: temporaryDirectory() });
  const generation = (dir: string) =>
    (store.answer({ kind: 'state', ranAtMs: 0, dir, all: false }) as { generation: string })
      .generation;
  const first = generation('0');
  const second = generation('1');
  for (let n = 2; n < 1_500; n++) {
    generation(`${n}`);
    // One that is used stays known.
    expect(generation('1')).toBe(second);
  }
  expect(generation('0')).not.toBe(first);
});
