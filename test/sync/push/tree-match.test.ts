import { describe, expect, it } from 'vitest';
import { matchTrees } from '../../../src/sync/push/tree-match.ts';

/** Matches trees given as paths, each with a letter that tells what is there: `a/b=x`. */
function match(here: readonly string[], there: readonly string[]) {
  const split = (text: string) => {
    const [path = '', content = ''] = text.split('=');
    return { path, content };
  };
  const others = there.map(split);
  return matchTrees(here.map(split), {
    length: others.length,
    pathOf: (index) => others[index]?.path,
    isSame: (index, { content }) => others[index]?.content === content,
  });
}

describe('matchTrees', () => {
  it('finds one run in equal trees', () => {
    const tree = ['a=1', 'a/b=2', 'a.c=3'];
    expect(match(tree, tree)).toEqual({
      runs: [{ at: 0, from: 0, length: 3 }],
      here: [],
      there: [],
    });
  });

  it('tells what was changed in place from what is around it', () => {
    expect(match(['a=1', 'b=2', 'c=3'], ['a=1', 'b=x', 'c=3'])).toEqual({
      runs: [
        { at: 0, from: 0, length: 1 },
        { at: 2, from: 2, length: 1 },
      ],
      here: [1],
      there: [1],
    });
  });

  it('goes on behind what is in one tree alone, in the order of paths', () => {
    // As names, "a.c" comes before "a/b"; as paths it does not.
    expect(match(['a=1', 'a/b=2', 'a.c=3', 'd=4'], ['a=1', 'a.c=3', 'b=5', 'd=4'])).toEqual({
      runs: [
        { at: 0, from: 0, length: 1 },
        { at: 2, from: 1, length: 1 },
        { at: 3, from: 3, length: 1 },
      ],
      here: [1],
      there: [2],
    });
  });

  it('finds nothing in common with an empty tree', () => {
    expect(match(['a=1', 'b=2'], [])).toEqual({ runs: [], here: [0, 1], there: [] });
    expect(match([], ['a=1', 'b=2'])).toEqual({ runs: [], here: [], there: [0, 1] });
  });
});
